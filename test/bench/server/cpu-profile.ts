// Where a Node program's time goes, by whose code it is, from the profile that V8 writes.

/** The parts of a `.cpuprofile` file that are needed. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  /** The node that was running at each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** Whose code a place belongs to; the first rule that fits. */
const OWNERS: readonly [owner: string, fits: RegExp][] = [
  ["grpc_js", /node_modules\/@grpc\/grpc-js\//],
  ["protobuf", /node_modules\/(@protobufjs|protobufjs|google-protobuf)\//],
  ["onnxruntime", /node_modules\/onnxruntime-/],
  ["other_packages", /node_modules\//],
  ["node_http2", /^node:(internal\/)?http2/],
  ["node_http1", /^node:(internal\/http|_http_)/],
  ["node_streams_sockets", /^node:(internal\/)?(stream|net|js_stream)/],
  ["node_other", /^node:/],
  ["server", /^(file:|\/)/],
];

/** Of time in which nothing ran. */
const IDLE = new Set(["(idle)", "(root)"]);

/**
 * Microseconds of each owner's own code, without what it calls, summed over the profiles of all threads. Code without a
 * file is the engine's own: `garbage_collector`, or `native` for built-in functions, system calls among them.
 */
export function timeByOwner(profiles: readonly CpuProfile[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const { nodes, samples, timeDeltas } of profiles) {
    const owners = new Map(nodes.map(({ id, callFrame }) => [id, ownerOf(callFrame)]));
    for (const [index, node] of samples.entries()) {
      const owner = owners.get(node);
      if (owner !== undefined) {
        total.set(owner, (total.get(owner) ?? 0) + (timeDeltas[index] ?? 0));
      }
    }
  }
  return total;
}

/** Undefined for no work at all. */
function ownerOf({ functionName, url }: CpuProfile["nodes"][number]["callFrame"]): string | undefined {
  if (IDLE.has(functionName)) {
    return undefined;
  }
  if (functionName === "(garbage collector)") {
    return "garbage_collector";
  }
  return OWNERS.find(([, fits]) => fits.test(url))?.[0] ?? "native";
}
