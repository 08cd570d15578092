// What one replica takes, in requests per second by protocol: from what runs and I/O cost, corrected by live traffic.

/** Answers per second by protocol, each alone, while requests never ran out; not all protocols are measured. */
export type Saturation = Readonly<Record<string, number>>;

/** Protocols whose requests cost what they do for like reasons: tensors as bytes, tensors as text. The nearest of each. */
const ALIKE: Readonly<Record<string, string>> = {
  "v2-grpc": "v2-rest-binary",
  "tfs-rest": "v2-rest",
  // Where there was no time to measure it as well.
  "v2-rest": "v2-rest-binary",
};

/** What was measured of the parts of a replica. */
export interface LoadLineInputs {
  /** With all workers busy at the chosen batch size; undefined where the I/O threads run the model themselves. */
  readonly rowsPerSecond: number | undefined;
  /** CPU of the workers; 0 where it is part of the I/O's. */
  readonly cpuSecondsPerRow: number;
  /** CPU of an I/O thread for one request of one row, by protocol. */
  readonly ioCpuSeconds: Readonly<Record<string, number>>;
  readonly ioThreads: number;
  /** CPUs that the process may use, fractions included. */
  readonly cpus: number;
  /** All parts together, where that was measured: corrects what is computed of them, for protocols that are alike as well. */
  readonly saturation?: Saturation | undefined;
}

/**
 * The least of three bounds: what the workers compute, what the I/O threads carry, and what all of them together find
 * time for on the CPUs there are. Worked example: a row takes 20 ms of CPU on one of 2 workers, so they give 100/s;
 * a request takes an I/O thread 0.5 ms, so it carries 2000/s; on 2 CPUs there is time for 2 / 0.0205 = 97.6/s.
 */
export function computeLoadLine(inputs: LoadLineInputs): Record<string, number> {
  const { rowsPerSecond = Number.POSITIVE_INFINITY, cpuSecondsPerRow, ioCpuSeconds, ioThreads, cpus } = inputs;
  const bounds = Object.entries(ioCpuSeconds).map(
    ([protocol, seconds]) =>
      [protocol, Math.min(rowsPerSecond, ioThreads / seconds, cpus / (seconds + cpuSecondsPerRow))] as const,
  );
  const computed = new Map<string, number>(bounds);
  // The parts disturb each other, and batches are not always full.
  const truth = (protocol: string): number => {
    const measured = inputs.saturation?.[protocol];
    const bound = computed.get(protocol);
    if (measured !== undefined && bound !== undefined) {
      return measured / bound;
    }
    const alike = ALIKE[protocol];
    return alike === undefined ? 1 : truth(alike);
  };
  return Object.fromEntries(bounds.map(([protocol, bound]) => [protocol, bound * truth(protocol)]));
}

/** Answers per second by protocol. */
export type Throughput = Readonly<Record<string, number>>;

/** How far one correction goes towards what was seen. */
const STEP = 0.5;

/** Fewer answers in the window say little. */
const MIN_ANSWERS_PER_SECOND = 1;

export class LoadLine {
  readonly #lines: Map<string, number>;

  constructor(initial: Readonly<Record<string, number>>) {
    this.#lines = new Map(Object.entries(initial));
  }

  get entries(): ReadonlyMap<string, number> {
    return this.#lines;
  }

  /**
   * To be told what was answered per second while requests were waiting all the time: that is all that there is, for
   * this mix of protocols. Protocols without a line of their own yet get one.
   */
  correct(observed: Throughput): void {
    const seen = answersOf(observed);
    const total = sumOf(seen);
    if (total < MIN_ANSWERS_PER_SECOND) {
      return;
    }
    const unknown = seen.filter(([protocol]) => !this.#lines.has(protocol));
    if (unknown.length > 0) {
      for (const [protocol] of unknown) {
        this.#lines.set(protocol, total);
      }
      return;
    }
    this.#follow(this.#shareOf(seen));
  }

  /** To be told what was answered per second, at the limit or not: the replica takes at least that. */
  raise(observed: Throughput): void {
    const seen = answersOf(observed);
    if (sumOf(seen) >= MIN_ANSWERS_PER_SECOND) {
      this.#follow(Math.max(1, this.#shareOf(seen)));
    }
  }

  /** The share of the replica that this mix would take by today's lines; at the limit it should be 1. */
  #shareOf(seen: readonly [protocol: string, rate: number][]): number {
    return seen.reduce(
      (sum, [protocol, rate]) => sum + rate / (this.#lines.get(protocol) ?? Number.POSITIVE_INFINITY),
      0,
    );
  }

  #follow(share: number): void {
    for (const [protocol, line] of this.#lines) {
      this.#lines.set(protocol, line * (1 + STEP * (share - 1)));
    }
  }
}

function answersOf(observed: Throughput): [protocol: string, rate: number][] {
  return Object.entries(observed).filter(([, rate]) => rate > 0);
}

function sumOf(seen: readonly [protocol: string, rate: number][]): number {
  return seen.reduce((sum, [, rate]) => sum + rate, 0);
}
