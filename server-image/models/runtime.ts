// onnxruntime as this server needs it: a session that runs on the calling thread and gives typed memory.

import type { RuntimeValue } from "./metadata.ts";
import type { ExecutionProvider } from "./served-model.ts";
import type { RuntimeTensor } from "./worker-messages.ts";

// onnxruntime-node 1.30 makes Float16Arrays where the runtime has them, which its own native part refuses; without the
// class it takes the bits as Uint16Array. It looks when it is loaded, hence the imports below.
Reflect.deleteProperty(globalThis, "Float16Array");
const { Tensor } = await import("onnxruntime-node");
// The package's own binding: its public `run` only wraps this one in a promise and a turn of the event loop, which
// costs a small model as much as the run itself.
const { binding, initOrt } = await import("onnxruntime-node/dist/binding.js");

/** Errors come to us as exceptions, so onnxruntime need not print them too. */
const LOG_FATAL = 4;

/** By the number that onnxruntime gives each type of element; those without a name here cannot be served. */
const ELEMENT_TYPES: readonly (string | undefined)[] = [
  undefined,
  "float32",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "float64",
  "uint32",
  "uint64",
];

export interface SessionSettings {
  readonly modelPath: string;
  /** Threads of one run, the calling one among them. */
  readonly threads: number;
  readonly executionProvider: ExecutionProvider;
}

export interface Session {
  readonly inputs: readonly RuntimeValue[];
  readonly outputs: readonly RuntimeValue[];
  /** Blocks the thread. Throws onnxruntime's own errors. */
  readonly run: (inputs: readonly RuntimeTensor[], outputNames: readonly string[]) => RuntimeTensor[];
}

/** Loads a model; blocks the thread. Throws onnxruntime's own errors. */
export function openSession({ modelPath, threads, executionProvider }: SessionSettings): Session {
  initOrt();
  const session = new binding.InferenceSession();
  session.loadModel(modelPath, {
    executionProviders: [executionProvider],
    // Explicit: the default looks at the machine's cores, not at the container's share of them.
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: LOG_FATAL,
    extra: {
      session: {
        // Spinning threads would burn a core while idle.
        intra_op: { allow_spinning: "0" },
      },
    },
  });
  return {
    inputs: session.inputMetadata.map(toRuntimeValue),
    outputs: session.outputMetadata.map(toRuntimeValue),
    run: (inputs, outputNames) => {
      const results = session.run(toFeeds(inputs), toFetches(outputNames), {});
      return outputNames.map((name) => toRuntimeTensor(name, results[name]));
    },
  };
}

type RawValue = ReturnType<typeof rawValues>[number];

/** Only for its type: what the binding says of inputs and outputs. */
function rawValues() {
  return new binding.InferenceSession().inputMetadata;
}

function toRuntimeValue(value: RawValue): RuntimeValue {
  if (!value.isTensor) {
    return { name: value.name, isTensor: false };
  }
  const type = ELEMENT_TYPES[value.type] ?? `type ${value.type}`;
  const shape = value.shape.map((size, axis) => (size === -1 ? (value.symbolicDimensions[axis] ?? "") : size));
  return { name: value.name, isTensor: true, type, shape };
}

function toFeeds(inputs: readonly RuntimeTensor[]): Record<string, InstanceType<typeof Tensor>> {
  // No prototype: an input may be called "__proto__".
  const feeds: Record<string, InstanceType<typeof Tensor>> = Object.create(null);
  for (const { name, type, data, dims } of inputs) {
    feeds[name] = new Tensor(type, data, dims);
  }
  return feeds;
}

function toFetches(outputNames: readonly string[]): Record<string, null> {
  const fetches: Record<string, null> = Object.create(null);
  for (const name of outputNames) {
    fetches[name] = null;
  }
  return fetches;
}

function toRuntimeTensor(name: string, value: unknown): RuntimeTensor {
  if (value === undefined) {
    throw new Error(`the run gave no output ${JSON.stringify(name)}`);
  }
  const { type, data, dims } = value as Omit<RuntimeTensor, "name">;
  return { name, type, data, dims };
}
