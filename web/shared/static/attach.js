// Files that go with what is being written: handed to the station with a bar that moves, and followed to the hub.

const LOOK = 1_000; // ms between two looks at how far the station is
const DONE = ["whole", "refused"];

const box = document.getElementById("files");
const list = document.getElementById("file-list");
const input = document.getElementById("file");
const status = document.getElementById("file-status");
let timer = null;

function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

function element(name, text = "", given = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  return Object.assign(made, given);
}

function words(file) {
  if (file.state === "whole") return "✔ with the hub";
  if (file.state === "refused") return `✕ ${file.sentence}`;
  return file.state === "announced" ? "⇡ on its way; you may send already" : "… waits for the hub";
}

function show(row, file) {
  const bar = row.querySelector("progress");
  bar.max = Math.max(file.total, 1);
  bar.value = file.have;
  row.dataset.state = file.state;
  const said = row.querySelector(".file-state");
  if (said.textContent !== words(file)) said.textContent = words(file);
}

/** What is kept as it is typed is kept with its files. */
function keep() {
  input.form.dispatchEvent(new Event("input"));
}

function rowFor(file) {
  const row = element("li");
  row.dataset.state = "sealing";
  const bar = element("progress", "", { max: Math.max(file.size, 1), value: 0 });
  bar.setAttribute("aria-label", `${file.name}: how much has been carried`);
  const off = element("button", "Take off", { type: "button", className: "small" });
  off.dataset.off = "";
  off.append(element("span", ` ${file.name}`, { className: "hidden" }));
  const parts = [
    element("bdi", file.name, { className: "file-name" }), element("span", size(file.size), { className: "muted" }),
    bar, element("span", "… is being sealed on this station", { className: "file-state" }), off,
  ];
  for (const part of parts) row.append(part, " ");
  list.append(row);
  return row;
}

function attach(file) {
  const row = rowFor(file);
  const request = new XMLHttpRequest();
  row.cancel = () => request.abort();
  request.upload.onprogress = (event) => { row.querySelector("progress").value = event.loaded; };
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* a page instead of an answer: said below */ }
    if (request.status !== 201) return fail(row, file, answer.sentence);
    row.dataset.blob = answer.blob;
    row.cancel = null;
    row.querySelector(".file-name").textContent = answer.name;
    row.prepend(element("input", "", { type: "hidden", name: "attachment", value: answer.blob }));
    status.textContent = `${answer.name} is attached.`;
    show(row, answer);
    keep();
    look();
  };
  request.onerror = () => fail(row, file);
  request.open("POST", box.dataset.files);
  request.setRequestHeader("X-Hotline-CSRF", document.body.dataset.csrf);
  request.setRequestHeader("X-Hotline-Name", encodeURIComponent(file.name));
  request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  request.send(file);
}

function fail(row, file, sentence) {
  row.remove();
  status.textContent = sentence || `${file.name} was not attached: the station did not take it. Choose it again.`;
}

async function off(row) {
  row.cancel?.();
  const blob = row.dataset.blob;
  row.remove();
  input.focus();
  if (!blob) return;
  keep();
  const headers = { "X-Hotline-CSRF": document.body.dataset.csrf };
  const response = await fetch(`${box.dataset.files}/${encodeURIComponent(blob)}/off`, { method: "POST", headers });
  status.textContent = response.ok ? "The file was taken off." : "It goes with this message no more.";
}

function waiting() {
  return [...list.children].filter((row) => row.dataset.blob && !DONE.includes(row.dataset.state));
}

async function look() {
  clearTimeout(timer);
  if (!waiting().length) return;
  try {
    const response = await fetch(box.dataset.files);
    if (response.ok) {
      const found = new Map((await response.json()).map((file) => [file.blob, file]));
      for (const row of waiting()) if (found.has(row.dataset.blob)) show(row, found.get(row.dataset.blob));
    }
  } catch { /* the station is away for a moment; the line at the top of the page says so */ }
  timer = setTimeout(look, LOOK);
}

export function start() {
  if (!box) return;
  input.addEventListener("change", () => {
    for (const file of input.files) attach(file);
    input.value = "";
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-off]");
    if (button) off(button.closest("li"));
  });
  look();
}
