// Takes the one-time token from behind the "#", clears the address line before anything else, and hands the token in.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("token").value = token;
  document.getElementById("login").requestSubmit();
}
