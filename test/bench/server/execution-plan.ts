// How a server runs its model, as its configuration tells in the shape of Triton's.

export interface ExecutionPlan {
  /** Copies of the model. */
  readonly workers: number;
  /** Threads of one run. */
  readonly threads: number;
  /** Most requests in one run; 1: requests are not joined. */
  readonly maxBatch: number;
}

/** Throws where the configuration does not say it. */
export function readExecutionPlan(config: unknown): ExecutionPlan {
  const { max_batch_size, instance_group, parameters } = config as {
    readonly max_batch_size?: number;
    readonly instance_group?: readonly { readonly count?: number }[];
    readonly parameters?: Readonly<Record<string, { readonly string_value?: string } | undefined>>;
  };
  const workers = instance_group?.reduce((sum, { count = 0 }) => sum + count, 0) ?? 0;
  const threads = Number(parameters?.["intra_op_thread_count"]?.string_value);
  if (!(workers >= 1) || !(threads >= 1) || max_batch_size === undefined) {
    throw new Error(`the model's configuration does not say how it is run: ${JSON.stringify(config)}`);
  }
  // Triton's way to say that requests are not joined is 0.
  return { workers, threads, maxBatch: Math.max(1, max_batch_size) };
}
