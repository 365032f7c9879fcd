// What a script has begun, where there is no test to end it.

/** Ends what was begun, last first, as a test's `after` does. */
export class Scope {
  #ends = [];
  after(end) {
    this.#ends.push(end);
  }
  async end() {
    for (const end of this.#ends.reverse()) await end();
  }
}
