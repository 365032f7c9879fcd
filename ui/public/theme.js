// Sets the theme before the first paint; src/state/preferences.svelte.ts keeps it from then on.
(function () {
  var theme = "system";
  try {
    theme = JSON.parse(localStorage.getItem("postern.preferences") || "{}").theme || "system";
  } catch (_) {
    // No storage, or not ours: the system's theme is right.
  }
  var dark = theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
