// What a user does in the window, in the words of the interface.

/** Signs in and waits until the proxy has said that events get through. */
export async function signIn(page, proxy, token = proxy.token) {
  await (await page.byRole("textbox", "Proxy")).fill(proxy.url);
  await (await page.byRole("textbox", "Workspace token")).fill(token);
  await (await page.byRole("button", "Sign in")).click();
}

/** Waits until events get through. */
export async function live(page) {
  await page.shows(/Live · /);
}

/** Goes to one of the pages of the rail. */
export async function go(page, name) {
  await (await page.byRole("link", name)).click();
}

/** Forwards every event to `url` from now on. */
export async function forwardTo(page, url) {
  await go(page, "Handlers");
  await (await page.byRole("button", "Add a rule")).click();
  await (await page.byRole("textbox", "Address")).fill(url);
  await (await page.byRole("button", /^Add$/)).click();
  await page.shows("It acts on events from now on.");
  await dismiss(page);
}

/** Puts away what was said: it lies over the page for a while. */
export async function dismiss(page) {
  await page.run('for (const button of document.querySelectorAll("button[aria-label=Dismiss]")) button.click();');
}

/** Opens the event whose row has this text. */
export async function openEvent(page, text) {
  await (await page.find(`//*[@role="option"][contains(., ${JSON.stringify(text)})]`)).click();
}
