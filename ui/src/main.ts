import { mount } from "svelte";
import AppView from "./App.svelte";
import NoSession from "./features/signin/NoSession.svelte";
import { App } from "./state/app.svelte";
import { openTransport } from "./transport/open";
import "./tokens.css";
import "./base.css";

const target = document.getElementById("app");
if (!target) throw new Error("index.html has no #app");

// A new link pasted into this very tab changes the fragment only.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#token=")) location.reload();
});

try {
  mount(AppView, { target, props: { app: new App(await openTransport()) } });
} catch {
  // The link's token was used before, or is not known: only a new link helps.
  mount(NoSession, { target });
}
