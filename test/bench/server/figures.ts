// The figures of one run: what was measured, what is asked of it, and what could not be measured.

/** A figure should be at least or at most so much. */
export interface Target {
  readonly is: "at least" | "at most";
  readonly value: number;
}

/** Of the figures that something is asked of, in the order in which they are shown. */
export const targets: Readonly<Record<string, Target>> = {
  resnet_ceiling_ratio: { is: "at least", value: 0.96 },
  resnet_json_ceiling_ratio: { is: "at least", value: 0.8 },
  mlp_ceiling_ratio: { is: "at least", value: 0.8 },
  mlp_one_client_ratio: { is: "at least", value: 0.85 },
  tiny_json_fastapi_ratio: { is: "at least", value: 1.5 },
  tiny_binary_fastapi_ratio: { is: "at least", value: 2 },
  tiny_echo_ratio: { is: "at least", value: 0.6 },
  p99_at_70_ratio: { is: "at most", value: 1.3 },
  overload_goodput_ratio: { is: "at least", value: 0.9 },
  reject_p99_ms: { is: "at most", value: 20 },
  overload_rss_growth_ratio: { is: "at most", value: 1.05 },
  load_line_error_max: { is: "at most", value: 0.15 },
  rss_over_budget_mb: { is: "at most", value: 0 },
  rss_growth_ratio: { is: "at most", value: 1.05 },
};

export function meets({ is, value }: Target, figure: number): boolean {
  return is === "at least" ? figure >= value : figure <= value;
}

/** Something that should have been measured and was not. */
export interface Failure {
  readonly what: string;
  readonly reason: string;
}

export class Figures {
  readonly #values = new Map<string, number>();
  readonly #failures: Failure[] = [];

  /** In the order in which they were recorded. */
  get values(): ReadonlyMap<string, number> {
    return this.#values;
  }

  get failures(): readonly Failure[] {
    return this.#failures;
  }

  /** Throws for what is no number: it was not measured. */
  record(name: string, value: number): void {
    if (!Number.isFinite(value)) {
      throw new RangeError(`${name} came out as ${value}`);
    }
    this.#values.set(name, value);
  }

  fail(what: string, error: unknown): void {
    this.#failures.push({ what, reason: error instanceof Error ? error.message : String(error) });
  }
}
