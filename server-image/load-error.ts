// Why a model could not be served: the phase it failed in, a code for programs and a message for people.

/** The steps from start to ready, in order; also the values of the label `phase` of `plimsoll_model_load_seconds`. */
export const LOAD_PHASES = ["download", "load", "warm-up"] as const;
export type LoadPhase = (typeof LOAD_PHASES)[number];

/**
 * - `INVALID_STORAGE_URI` the address itself is wrong
 * - `MODEL_NOT_FOUND` nothing is there, or nothing that is a model
 * - `ACCESS_DENIED` the storage or the file system said no
 * - `STORAGE_UNAVAILABLE` the storage could not be reached or kept failing
 * - `DOWNLOAD_TIMEOUT` it took longer than allowed
 * - `MODEL_TOO_LARGE` more bytes than allowed
 * - `MODEL_INVALID` the file is no model that onnxruntime loads
 * - `MODEL_UNSUPPORTED` it loads, but has inputs or outputs that no protocol can carry
 * - `WORKER_FAILED` the thread that loads the model died
 */
export type LoadErrorCode =
  | "INVALID_STORAGE_URI"
  | "MODEL_NOT_FOUND"
  | "ACCESS_DENIED"
  | "STORAGE_UNAVAILABLE"
  | "DOWNLOAD_TIMEOUT"
  | "MODEL_TOO_LARGE"
  | "MODEL_INVALID"
  | "MODEL_UNSUPPORTED"
  | "WORKER_FAILED";

/** Ends the program: written to the termination log as `{code, message, phase}`. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  readonly code: LoadErrorCode;
  readonly phase: LoadPhase;

  constructor(phase: LoadPhase, code: LoadErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.phase = phase;
    this.code = code;
  }
}
