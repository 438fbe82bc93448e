// Shows the page anew without losing the reader's place: fetches the same address and swaps only what differs.
// Elements marked data-swap are replaced by content, data-grow grows by new children (a log). Forms being written in
// stand outside of both.

import { sync, tick } from "./clock.js";

/** The meaning of an element's HTML: without ticking digits and without ids that are fresh at every rendering. */
function meaning(element) {
  const copy = element.cloneNode(true);
  for (const ticking of copy.querySelectorAll("[data-countdown], [data-age]")) {
    ticking.textContent = "";
    ticking.classList.remove("over");
  }
  for (const fresh of copy.querySelectorAll("input[type=hidden]")) fresh.removeAttribute("value");
  return copy.className + JSON.stringify(copy.dataset) + copy.innerHTML;
}

function swap(old, fresh) {
  if (meaning(old) === meaning(fresh)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...old.querySelectorAll("a, button, input, select, textarea, summary")].indexOf(focused);
  const again = focused && (focused.id || focused.getAttribute("href"));
  for (const name of fresh.getAttributeNames()) old.setAttribute(name, fresh.getAttribute(name));
  old.replaceChildren(...fresh.childNodes);
  if (focused) {
    const all = [...old.querySelectorAll("a, button, input, select, textarea, summary")];
    const same = all.find((e) => again && (e.id === again || e.getAttribute("href") === again)) ?? all[place];
    same?.focus({ preventScroll: true });
  }
}

function grow(old, fresh) {
  const ids = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...old.children]) if (!ids.has(child.id)) child.remove();
  for (const child of [...fresh.children]) {
    const known = child.id && old.querySelector(`:scope > [id="${CSS.escape(child.id)}"]`);
    if (known) swap(known, child);
    else old.append(child);
  }
}

/** Fetches this page anew and swaps what changed. Returns whether it was shown: not to somebody who is logged out. */
export async function refresh() {
  const address = new URL(location.href);
  address.hash = "";
  // Nothing inside a form is swapped, and the offer it answers may be gone by now: the incident is read without its form.
  for (const name of ["done", "write", "step", "entry"]) address.searchParams.delete(name);
  // A page that answers a POST (a refused form) has no address of its own to read from: read the incident's.
  address.pathname = address.pathname.replace(/\/(send|read|pending\/.*)$/, "").replace(/\/open$/, "/");
  const response = await fetch(address, { headers: { "X-Hotline-Refresh": "1" }, redirect: "manual" });
  if (response.type === "opaqueredirect") return false;
  if (!response.ok) throw new Error(`refresh: ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-swap], [data-grow]")) {
    const found = old.id && fresh.getElementById(old.id);
    if (!found) continue;
    if (old.hasAttribute("data-grow")) grow(old, found);
    else swap(old, found);
  }
  document.title = fresh.title;
  sync(Number(fresh.body.dataset.now));
  tick();
  return true;
}
