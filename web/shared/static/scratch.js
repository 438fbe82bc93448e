// Keeps what is being typed on the station, as it is typed. Sent at most every 600 ms and once more when the page goes.

const REST = 600; // ms

const form = document.getElementById("compose");
const saved = document.getElementById("saved");
let timer = null;
let dirty = false;
let sending = false;

function body() {
  const values = {};
  for (const [name, value] of new FormData(form)) (values[name] ??= []).push(value);
  delete values.csrf;
  return JSON.stringify({ key: form.dataset.key, values });
}

function mark(unsaved) {
  dirty = unsaved;
  document.body.dataset.unsaved = unsaved ? "yes" : "no";
}

async function save(last = false) {
  clearTimeout(timer);
  timer = null;
  if (!dirty || sending) return;
  mark(false);
  const headers = { "Content-Type": "application/json", "X-Hotline-CSRF": document.body.dataset.csrf };
  try {
    const response = await fetch(form.dataset.scratch, { method: "POST", headers, body: body(), keepalive: last });
    if (!response.ok) throw new Error(String(response.status));
    saved.textContent = dirty ? "" : "Kept on this station";
  } catch {
    mark(true);
    saved.textContent = "Not kept yet: the station does not answer. Do not close this page.";
    timer = setTimeout(save, 3_000);
  }
}

export function start() {
  if (!form) return;
  form.addEventListener("input", () => {
    mark(true);
    timer ??= setTimeout(save, REST);
  });
  form.addEventListener("submit", (event) => {
    if (sending) return event.preventDefault();
    // The same form is sent once: its client_id is the same.
    // The word stands beside the button: a button that changes its size lets a second click land on its neighbour.
    if (event.submitter?.value === "send") saved.textContent = "Sending…";
    sending = true;
    clearTimeout(timer);
  });
  addEventListener("pageshow", () => { sending = false; });
  addEventListener("pagehide", () => save(true));
  addEventListener("beforeunload", (event) => {
    if (dirty && !sending && saved.textContent.startsWith("Not kept")) event.preventDefault();
  });
}
