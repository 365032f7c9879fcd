// Several workspaces: which there are, and going from one to another.

import type { App } from "../../state/app.svelte";
import type { ProfileState } from "../../transport/generated/ProfileState";
import { testPath } from "../connection/path-test.svelte";
import { fail } from "./actions";
import { connectionWords, type Words } from "./words";

/** How a profile that need not be shown stands. */
export function profileWords(app: App, profile: ProfileState): Words {
  const status = app.backend.status;
  if (!status) return connectionWords(null, app.backend.link, 0);
  return connectionWords({ ...status, connection: profile.connection }, app.backend.link, app.clock.now);
}

/** The profile that is shown; none without a sign-in. */
export const shownProfile = (app: App): ProfileState | undefined =>
  app.backend.status?.profiles.find((profile) => profile.shown);

/** Shows another profile; the one shown goes on receiving. */
export async function switchProfile(app: App, id: number): Promise<void> {
  if (shownProfile(app)?.id === id) return;
  try {
    await app.backend.change("switch_profile", { id });
    entered(app);
  } catch (thrown) {
    fail(app, thrown);
  }
}

/** Another profile is shown: nothing of the one before stays on the screen. */
export function entered(app: App): void {
  testPath(app).clear();
  app.events.forget();
  app.router.go({ page: app.router.route.page });
}
