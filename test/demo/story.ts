// The demo's plot, pure: usual load, ten times that, usual load again until replicas are back; and what was seen on the way.

import type { DemoRecord } from "./checks.ts";
import type { LoadReport } from "./request-account.ts";

export interface Plot {
  readonly usualPerSecond: number;
  readonly risenPerSecond: number;
  readonly usualSeconds: number;
  readonly risenSeconds: number;
  /** Replicas that are not back by then, counted from the fall of the load, will not come back: the demo ends and fails. */
  readonly fallLimitSeconds: number;
  readonly minReplicas: number;
  /** Replicas that the risen load needs. */
  readonly neededReplicas: number;
}

/** A change of the number of replicas, in the operator's words. */
export interface Change {
  /** RFC 3339. */
  readonly time: string;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** What the cluster shows at one moment. What could not be read is absent. */
export interface ClusterView {
  readonly measuredPerSecond?: number | undefined;
  readonly queueDepth?: number | undefined;
  /** Replicas that the Deployment asks for. */
  readonly desiredReplicas?: number | undefined;
  readonly readyReplicas?: number | undefined;
  /** Pods that exist, those that are ending included. */
  readonly pods?: number | undefined;
  readonly changes: readonly Change[];
}

export type Phase = "usual" | "risen" | "fallen" | "over";

/** What the story has to say after a tick: the load changes, replicas have changed. */
export type StoryEvent =
  | { readonly kind: "load"; readonly phase: Phase; readonly ratePerSecond: number }
  | { readonly kind: "change"; readonly change: Change };

type Seen = Pick<
  DemoRecord,
  | "firstRaiseSeconds"
  | "enoughReadySeconds"
  | "caughtUpSeconds"
  | "mostReadyReplicas"
  | "backAtMinimumSeconds"
  | "total"
  | "scaleDown"
  | "rejectedAfterCatchUp"
  | "lossReasons"
  | "latestSendMs"
>;

/** Follows one run second by second. The clock is the caller's: `nowSeconds` counts from the start of the load. */
export class Story {
  readonly #plot: Plot;
  readonly #changes = new Map<string, Change>();
  #phase: Phase = "usual";
  #phaseStart = 0;
  #firstRaiseSeconds: number | undefined;
  #enoughReadySeconds: number | undefined;
  #backAtMinimumSeconds: number | undefined;
  #mostReadyReplicas = 0;
  #desiredAtRise = 0;
  #caughtUpSeconds: number | undefined;
  #rejectedWhenCaughtUp: number | undefined;

  constructor(plot: Plot) {
    this.#plot = plot;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Changes seen so far, oldest first. */
  get changes(): readonly Change[] {
    return [...this.#changes.values()].toSorted(byTime);
  }

  /** @returns what is new, in the order in which it is to be told and done. */
  tick(nowSeconds: number, view: ClusterView, report: LoadReport): readonly StoryEvent[] {
    const events = this.#noteChanges(view);
    const phaseSeconds = nowSeconds - this.#phaseStart;
    if (this.#phase === "risen") {
      this.#watchRise(phaseSeconds, view, report);
    } else if (this.#phase === "fallen") {
      this.#watchFall(phaseSeconds, view);
    }
    this.#mostReadyReplicas = Math.max(this.#mostReadyReplicas, view.readyReplicas ?? 0);
    const next = this.#nextPhase(phaseSeconds);
    if (next !== this.#phase) {
      this.#phase = next;
      this.#phaseStart = nowSeconds;
      this.#desiredAtRise = next === "risen" ? (view.desiredReplicas ?? 0) : this.#desiredAtRise;
      events.push({ kind: "load", phase: next, ratePerSecond: this.#rateOf(next) });
    }
    return events;
  }

  /** @param report the generator's last one, when every request has ended. */
  finish(report: LoadReport): Seen {
    const { sent, answered, rejected, lost } = report;
    return {
      firstRaiseSeconds: this.#firstRaiseSeconds,
      enoughReadySeconds: this.#enoughReadySeconds,
      mostReadyReplicas: this.#mostReadyReplicas,
      backAtMinimumSeconds: this.#backAtMinimumSeconds,
      total: { sent, answered, rejected, lost },
      scaleDown: report.phase,
      caughtUpSeconds: this.#caughtUpSeconds,
      rejectedAfterCatchUp: rejected - (this.#rejectedWhenCaughtUp ?? rejected),
      lossReasons: report.lossReasons,
      latestSendMs: report.latestSendMs,
    };
  }

  #noteChanges(view: ClusterView): StoryEvent[] {
    const fresh = view.changes.filter((change) => !this.#changes.has(keyOf(change)));
    for (const change of fresh) {
      this.#changes.set(keyOf(change), change);
    }
    return fresh.toSorted(byTime).map((change) => ({ kind: "change", change }));
  }

  #watchRise(seconds: number, view: ClusterView, report: LoadReport): void {
    if ((view.desiredReplicas ?? 0) > this.#desiredAtRise) {
      this.#firstRaiseSeconds ??= seconds;
    }
    if ((view.readyReplicas ?? 0) >= this.#plot.neededReplicas) {
      this.#enoughReadySeconds ??= seconds;
    }
    // At most one request waits for each replica: the backlog of the time with too few of them is worked off.
    const { queueDepth = Number.POSITIVE_INFINITY } = view;
    if (this.#enoughReadySeconds !== undefined && queueDepth <= this.#plot.neededReplicas) {
      this.#caughtUpSeconds ??= seconds;
      this.#rejectedWhenCaughtUp ??= report.rejected;
    }
  }

  #watchFall(seconds: number, view: ClusterView): void {
    const { minReplicas } = this.#plot;
    if (view.desiredReplicas === minReplicas && view.pods === minReplicas && view.readyReplicas === minReplicas) {
      this.#backAtMinimumSeconds ??= seconds;
    }
  }

  #nextPhase(seconds: number): Phase {
    const { usualSeconds, risenSeconds, fallLimitSeconds } = this.#plot;
    switch (this.#phase) {
      case "usual":
        return seconds >= usualSeconds ? "risen" : "usual";
      case "risen":
        return seconds >= risenSeconds ? "fallen" : "risen";
      case "fallen":
        return this.#backAtMinimumSeconds !== undefined || seconds >= fallLimitSeconds ? "over" : "fallen";
      case "over":
        return "over";
    }
  }

  #rateOf(phase: Phase): number {
    const { usualPerSecond, risenPerSecond } = this.#plot;
    return { usual: usualPerSecond, risen: risenPerSecond, fallen: usualPerSecond, over: 0 }[phase];
  }
}

function keyOf(change: Change): string {
  return `${change.time} ${change.from} ${change.to}`;
}

function byTime(a: Change, b: Change): number {
  return a.time.localeCompare(b.time);
}
