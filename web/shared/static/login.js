// Takes the one-time token from behind the "#", clears the address line before anything else, and hands the token in.
const form = document.getElementById("login");

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
