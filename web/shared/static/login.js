// Takes the one-time token from behind the "#", clears the address line before anything else, and hands the token in.
const form = document.getElementById("login");

// A page that was sent here because its session was gone says so: sessions are in memory only.
const ENDED = {
  station: "You are logged out: your session ended, or the station was started anew, which ends every session. What was kept is \
still kept. Have a new link made on the station.",
  hub: "You are logged out: your session ended, or the hub was started anew, which ends every session. Log in again, or have a \
new link made on the hub's machine: hotline hub login-link.",
};
const source = new URLSearchParams(location.search).get("ended");
if (Object.hasOwn(ENDED, source)) {
  history.replaceState(null, "", location.pathname + location.hash);
  const said = document.createElement("p");
  Object.assign(said, { id: "ended", className: "two-note", role: "status", textContent: ENDED[source] });
  form.before(said);
}

/** The token, gone from the address line; "" where what stands there is a place on the page. */
function take() {
  const token = location.hash.slice(1);
  if (!token || document.getElementById(token)) return "";
  history.replaceState(null, "", location.pathname);
  form.elements.token.value = token;
  return token;
}

if (take()) form.requestSubmit();

// A link that is opened where this page stands already loads nothing. The page may be old, its station started anew since:
// the form is taken from a fresh one, or it would be refused and the link be lost.
addEventListener("hashchange", async () => {
  if (!take()) return;
  try {
    const fresh = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
    form.elements.csrf.value = fresh.getElementById("login").elements.csrf.value;
  } catch {
    // Nobody answers: handing the form in says so.
  }
  form.requestSubmit();
});
