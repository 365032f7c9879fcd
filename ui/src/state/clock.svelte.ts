/** The present time, for texts that grow older: moves once a second while the page is seen. */
export class Clock {
  now = $state(Date.now());

  /** Starts ticking; returns what stops it. */
  start(): () => void {
    const tick = () => {
      if (!document.hidden) this.now = Date.now();
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  }
}
