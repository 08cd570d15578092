// Why a model could not be served: the phase it failed in, a code for programs and a message for people.

/** The steps from start to ready, in order; also the values of the label `phase` of `plimsoll_model_load_seconds`. */
export const LOAD_PHASES = ["download", "load", "warm-up"] as const;
export type LoadPhase = (typeof LOAD_PHASES)[number];

/**
 * - `INVALID_STORAGE_URI` the address itself is wrong
 * - `INVALID_STORAGE_SETTING` a setting beside the address is wrong or missing
 * - `ADDRESS_NOT_ALLOWED` the host's address is none that downloads may connect to
 * - `MODEL_NOT_FOUND` nothing is there, or nothing that is a model
 * - `ACCESS_DENIED` the storage or the file system said no
 * - `STORAGE_UNAVAILABLE` the storage could not be reached or kept failing
 * - `DOWNLOAD_TIMEOUT` it took longer than allowed
 * - `MODEL_TOO_LARGE` more bytes or files than allowed, downloaded or unpacked
 * - `WRITE_FAILED` the disk did not take what was downloaded
 * - `CHECKSUM_MISMATCH` what was downloaded is not what was asked for
 * - `ARCHIVE_INVALID` an archive that is damaged or of an unknown kind
 * - `UNSAFE_PATH` a name, a link or external data that leads out of the model's folder
 * - `MODEL_INVALID` the file is no model that onnxruntime loads
 * - `MODEL_UNSUPPORTED` it loads, but has inputs or outputs that no protocol can carry
 * - `EXECUTION_PROVIDER_UNAVAILABLE` the model cannot run on the GPU that it was meant for
 * - `CONTRACT_MISMATCH` its inputs or outputs are not those that were promised
 * - `SMOKE_TEST_FAILED` it does not answer the sample request as expected
 * - `WORKER_FAILED` the thread that loads the model died
 */
export type LoadErrorCode =
  | "INVALID_STORAGE_URI"
  | "INVALID_STORAGE_SETTING"
  | "ADDRESS_NOT_ALLOWED"
  | "MODEL_NOT_FOUND"
  | "ACCESS_DENIED"
  | "STORAGE_UNAVAILABLE"
  | "DOWNLOAD_TIMEOUT"
  | "MODEL_TOO_LARGE"
  | "WRITE_FAILED"
  | "CHECKSUM_MISMATCH"
  | "ARCHIVE_INVALID"
  | "UNSAFE_PATH"
  | "MODEL_INVALID"
  | "MODEL_UNSUPPORTED"
  | "EXECUTION_PROVIDER_UNAVAILABLE"
  | "CONTRACT_MISMATCH"
  | "SMOKE_TEST_FAILED"
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
