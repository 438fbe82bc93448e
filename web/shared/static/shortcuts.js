// The keyboard. Which key does what comes from the page's table (body data-shortcuts); here is only how it is done.

const table = JSON.parse(document.body.dataset.shortcuts ?? "[]");
const lettersOn = () => localStorage.getItem("letters") !== "off";
const typing = (element) => element.closest?.("input, textarea, select, [contenteditable]");

function entries() {
  return [...document.querySelectorAll("#log .entry")];
}

function go(element) {
  element?.focus();
  element?.scrollIntoView({ block: "nearest" });
}

function move(by) {
  const all = entries();
  const at = all.indexOf(document.activeElement?.closest?.(".entry"));
  go(all[at < 0 ? all.length - 1 : Math.min(Math.max(at + by, 0), all.length - 1)]);
}

const does = {
  "next-entry": () => move(1),
  "previous-entry": () => move(-1),
  "next-unread": () => go(document.querySelector("#log .entry.unread")),
  "newest-entry": () => go(entries().at(-1)),
  write: () => go(document.querySelector("#compose textarea, #compose input:not([type=hidden])") ?? document.getElementById("write")),
  ladder: () => go(document.getElementById("ladder")),
  clocks: () => go(document.getElementById("clocks")),
  threads: () => location.assign(document.body.dataset.threads),
  help: () => location.assign(document.body.dataset.help),
  send: () => document.activeElement?.form?.requestSubmit(document.activeElement.form.querySelector("#send") ?? undefined),
  leave: () => document.activeElement?.blur(),
};

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.isComposing) return;
    const keys = (event.ctrlKey ? "Ctrl+" : "") + event.key;
    const found = table.find((shortcut) => shortcut.keys === keys);
    if (!found) return;
    if (found.keys.length === 1 && (!lettersOn() || typing(event.target))) return;
    if (found.does === "send" && !typing(event.target)) return;
    event.preventDefault();
    does[found.does]();
  });
  const box = document.getElementById("letters");
  if (!box) return;
  document.getElementById("letters-choice").hidden = false;
  box.checked = lettersOn();
  box.addEventListener("change", () => localStorage.setItem("letters", box.checked ? "on" : "off"));
}
