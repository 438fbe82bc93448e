// Sound that can be trusted: unlocked by a click at the start of a shift, tested at once, and its state always shown.
// A made tone, no file. The title and, where allowed, a system notification say the same; neither shows content.

const button = document.getElementById("shift");
const state = document.getElementById("sound-state");
let audio = null;

function show() {
  const on = audio?.state === "running";
  state.textContent = on ? "● Sound on" : "✕ Sound blocked";
  document.body.dataset.sound = on ? "on" : "blocked";
}

function tone(from, to, at, length) {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  oscillator.frequency.setValueAtTime(from, at);
  oscillator.frequency.linearRampToValueAtTime(to, at + length);
  gain.gain.setValueAtTime(0.0001, at);
  gain.gain.exponentialRampToValueAtTime(0.3, at + 0.03);
  gain.gain.exponentialRampToValueAtTime(0.0001, at + length);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(at);
  oscillator.stop(at + length);
}

function sound(times) {
  if (audio?.state !== "running") return;
  for (let i = 0; i < times; i += 1) tone(660, 990, audio.currentTime + i * 0.6, 0.45);
}

/** Sounds the alarm, marks the title, notifies. */
export function alarm() {
  sound(4);
  if (!document.title.startsWith("▲")) document.title = `▲ ${document.title}`;
  if (document.hidden && "Notification" in window && Notification.permission === "granted") {
    new Notification("Hotline: alarm on the duty desk", { tag: "hotline-alarm", requireInteraction: true });
  }
}

async function unlock() {
  audio ??= new AudioContext();
  audio.onstatechange = show;
  await audio.resume();
  sessionStorage.setItem("shift", "started");
  show();
  sound(1);
  if ("Notification" in window && Notification.permission === "default") await Notification.requestPermission();
}

export function start() {
  if (!button) return;
  document.getElementById("sound").hidden = false;
  button.addEventListener("click", unlock);
  if (sessionStorage.getItem("shift") && window.AudioContext) {
    audio = new AudioContext();
    audio.onstatechange = show;
  }
  show();
}
