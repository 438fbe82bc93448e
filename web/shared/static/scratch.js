// Keeps what is being typed on the station, as it is typed. Sent at most every 600 ms and once more when the page goes.
// What is sent as a page goes may reach the station after the next page was made. So each save has a number, and this tab
// remembers the last one: the number, never the words, which must not rest in a browser. The next page waits for it.

const REST = 600; // ms
const AGAIN = 3_000; // ms after which a save that failed is tried again
const ANSWER = 10_000; // ms in which a station says that it has the words
const PATIENCE = 6_000; // ms for which a page waits for the words of the page before it
const LEAVING = 2_000; // ms that the way to another page may take
const LONGEST = 60_000; // bytes: a browser sends no more than 64 KiB for a page that goes

const form = document.getElementById("compose");
const saved = document.getElementById("saved");
const page = form?.elements.client_id.value;
const place = form && `draft ${form.dataset.scratch} ${form.dataset.key}`;
let timer = null;
let number = 0; // of the newest save
let kept = 0; // of the newest save that the station has
let flying = 0; // saves without an answer
let dirty = false; // something was typed since the newest save
let failed = false;
let apart = false; // newer words stand on the station than this page ever showed
let sending = false;
let going = false;
let left = -Infinity; // when somebody set out for another page

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const unsaved = () => dirty || kept < number;

function body(mine) {
  const values = {};
  for (const [name, value] of new FormData(form)) (values[name] ??= []).push(value);
  delete values.csrf;
  return new Blob([JSON.stringify({ key: form.dataset.key, values, page, number: mine, base: form.elements.draft.value })]);
}

function mark() {
  document.body.dataset.unsaved = unsaved() ? "yes" : "no";
  if (unsaved()) sessionStorage.setItem(place, `${page}.${dirty ? number + 1 : number}`);
  else sessionStorage.removeItem(place);
}

async function save(last = false) {
  clearTimeout(timer);
  timer = null;
  if (sending || apart) return;
  // As the page goes, what is still under way goes once more: a browser drops the requests of a page that is gone.
  if (!dirty && !(last && unsaved())) return;
  if (flying && !last) {
    timer = setTimeout(save, REST);
    return;
  }
  dirty = false;
  number += 1;
  const mine = number;
  const words = body(mine);
  mark();
  flying += 1;
  try {
    const response = await fetch(form.dataset.scratch, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Hotline-CSRF": document.body.dataset.csrf },
      body: words,
      keepalive: last && words.size < LONGEST,
      signal: last ? undefined : AbortSignal.timeout(ANSWER),
    });
    if (response.status === 409) return part();
    if (!response.ok) throw new Error(String(response.status));
    kept = Math.max(kept, mine);
    form.elements.draft.value = `${page}.${kept}`;
    failed = false;
    saved.textContent = unsaved() ? "" : "Kept on this station";
  } catch {
    if (going) return; // a request that was dropped with its page: its words went once more
    dirty = true;
    failed = true;
    saved.textContent = "Not kept yet: the station does not answer. Do not close this page.";
    timer ??= setTimeout(save, AGAIN);
  } finally {
    flying -= 1;
    if (!going) mark();
  }
}

/** The station's newest version of this form. */
async function newest() {
  const address = `${form.dataset.scratch}?key=${encodeURIComponent(form.dataset.key)}`;
  const headers = { "X-Hotline-Refresh": "1" };
  const response = await fetch(address, { headers, redirect: "error", signal: AbortSignal.timeout(ANSWER) });
  if (!response.ok) throw new Error(String(response.status));
  return (await response.json()).version;
}

/** Whether a version is the save that is wanted, or a later one of the same page. */
function holds(version, wanted) {
  const [of, at] = [version, wanted].map((each) => [each.slice(0, each.lastIndexOf(".")), Number(each.split(".").at(-1))]);
  return of[0] === at[0] && of[1] >= at[1];
}

/** Loads this form with what the station keeps of it. A page that answers a POST has no address of its own to load. */
function showKept() {
  const address = new URL(form.dataset.scratch.replace(/\/scratch$/, ""), location.href);
  if (location.pathname === address.pathname) return location.reload();
  for (const [name, from] of [["write", "kind"], ["step", "step"], ["entry", "about"]]) {
    if (form.elements[from].value) address.searchParams.set(name, form.elements[from].value);
  }
  address.hash = "write";
  location.replace(address);
}

function open(yes) {
  const parts = [...form.children].flatMap((each) => (each.contains(saved) ? [...each.children] : [each]));
  for (const each of parts) if (each !== saved) each.inert = !yes;
}

/** Waits for the words of the page before this one; until they are here nobody writes on top of older ones. */
async function catchUp() {
  const wanted = sessionStorage.getItem(place);
  const since = performance.now();
  if (wanted && !holds(form.elements.draft.value, wanted)) {
    open(false);
    saved.textContent = "What you typed last is on its way to this station…";
    for (let wait = 50; performance.now() - since < PATIENCE; wait = Math.min(wait * 1.5, 500)) {
      let version = "";
      try {
        version = await newest();
      } catch {
        // Asked again below; after that the page says that it does not know.
      }
      // Whoever is on the way to another page is not brought back to this one.
      if (holds(version, wanted) && performance.now() - left > LEAVING) {
        sessionStorage.removeItem(place);
        return showKept();
      }
      await pause(wait);
    }
    open(true);
    saved.textContent = "✕ What you typed last, before this page was loaded, has not reached this station. Older words stand here: read them again.";
  }
  sessionStorage.removeItem(place);
}

function button(text, does) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: "small", textContent: text });
  made.addEventListener("click", does);
  return made;
}

/** Two tabs, or words that came after all: neither is thrown away before the officer has said which. */
function part() {
  apart = true;
  dirty = true;
  saved.textContent = "✕ Not kept: other words for this form are on this station, typed or sent from another page. ";
  saved.append(
    button("Show those", () => {
      dirty = apart = false;
      kept = number;
      mark();
      showKept();
    }),
    " ",
    button("Keep these instead", async () => {
      try {
        form.elements.draft.value = await newest();
      } catch {
        return; // the station is away: the words and the choice stay
      }
      apart = false;
      save();
    }),
  );
}

export function start() {
  if (!form) return;
  catchUp();
  form.addEventListener("input", () => {
    dirty = true;
    mark();
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
  addEventListener("pageshow", () => {
    sending = going = false;
    dirty = unsaved(); // a page that came back has had no answer to what it sent last
    if (dirty) save();
  });
  addEventListener("pagehide", () => {
    save(true);
    going = true;
  });
  addEventListener("beforeunload", (event) => {
    left = performance.now();
    if (sending || !unsaved()) return;
    const long = body(number).size >= LONGEST;
    if (long) save();
    if (failed || apart || long) event.preventDefault();
  });
}
