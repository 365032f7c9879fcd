/** What a toast is about: its colour and how urgently it is announced. */
export type Tone = "ok" | "bad" | "info";

export interface Toast {
  id: number;
  tone: Tone;
  text: string;
  /** The error's code, to search for. */
  code: string | undefined;
  action: { label: string; run: () => void } | undefined;
}

/** Short results of actions, newest last. Errors stay until they are dismissed. */
export class Toasts {
  list = $state.raw<Toast[]>([]);
  #last = 0;

  show(tone: Tone, text: string, more: Partial<Pick<Toast, "code" | "action">> = {}): number {
    const id = ++this.#last;
    const toast: Toast = { id, tone, text, code: more.code, action: more.action };
    this.list = [...this.list.slice(-3), toast];
    if (tone !== "bad") setTimeout(() => this.dismiss(id), more.action ? 8000 : 4000);
    return id;
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
