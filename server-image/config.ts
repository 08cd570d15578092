// The command line: every setting of the server with its default and what is allowed.

import { Command, InvalidArgumentError, Option } from "commander";

import { LOG_LEVELS, type LogLevel } from "./log.ts";
import { STORAGE_FORMS } from "./storage/fetch-model.ts";

export interface Config {
  readonly modelName: string;
  readonly storageUri: string;
  /** 0: any free port. */
  readonly httpPort: number;
  readonly workers: number;
  readonly threadsPerWorker: number;
  readonly maxQueueLength: number;
  readonly requestTimeoutSeconds: number;
  readonly runTimeoutSeconds: number;
  readonly maxBodyBytes: number;
  readonly drainDelaySeconds: number;
  readonly gracePeriodSeconds: number;
  /** Undefined: a temporary folder, made when there is a download. */
  readonly modelDirectory: string | undefined;
  readonly pvcRoot: string;
  readonly downloadTimeoutSeconds: number;
  readonly maxModelBytes: number;
  readonly terminationLog: string;
  readonly logLevel: LogLevel;
}

/** What the defaults depend on. */
export interface Machine {
  /** Whole CPUs that this process may use, at least 1. */
  readonly usableThreads: number;
}

const MEBIBYTE = 1024 ** 2;
const GIBIBYTE = 1024 ** 3;

/** The text of a body must fit in one string of V8, which ends a little below 512 MiB. */
const LARGEST_BODY_BYTES = 500 * MEBIBYTE;

/**
 * @param argv the arguments after the program's name
 * @param print gets the help or the complaint
 *
 * Throws commander's CommanderError, whose `exitCode` is 0 for `--help` and 1 for wrong arguments, after printing.
 */
export function parseConfig(argv: readonly string[], machine: Machine, print: (text: string) => void): Config {
  const command = makeCommand()
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: print })
    .parse([...argv], { from: "user" });
  const options = command.opts<GivenOptions>();
  const { threadsPerWorker = Math.max(1, Math.floor(machine.usableThreads / options.workers)) } = options;
  return { ...options, threadsPerWorker, modelDirectory: options.modelDirectory };
}

/** Those without a default are absent where they are not given. */
type GivenOptions = Omit<Config, "threadsPerWorker" | "modelDirectory"> & {
  readonly threadsPerWorker?: number;
  readonly modelDirectory?: string;
};

function makeCommand(): Command {
  const command = new Command("plimsoll-server")
    .description("Serves one ONNX model over the Open Inference Protocol (HTTP and JSON).")
    .addOption(text("--model-name <name>", "name of the model in request paths").makeOptionMandatory())
    .addOption(text("--storage-uri <uri>", `where the model is: ${STORAGE_FORMS}`).makeOptionMandatory())
    .addOption(
      integer("--http-port <port>", "port for requests, health and metrics; 0: any free one", {
        standard: 8080,
        min: 0,
        max: 65_535,
      }),
    )
    .addOption(
      integer("--workers <count>", "copies of the model, each run by a thread of its own", {
        standard: 1,
        min: 1,
        max: 256,
      }),
    )
    .addOption(
      integer("--threads-per-worker <count>", "threads of one run (default: CPU limit / workers)", {
        min: 1,
        max: 256,
      }),
    );
  addRequestOptions(command);
  addStorageOptions(command);
  return command.addOption(new Option("--log-level <level>", "least level logged").choices(LOG_LEVELS).default("info"));
}

function addRequestOptions(command: Command): void {
  command
    .addOption(
      integer("--max-queue-length <count>", "waiting requests; more are answered 503", {
        standard: 100,
        min: 0,
        max: 1_000_000,
      }),
    )
    .addOption(seconds("--request-timeout-seconds <seconds>", "longest wait for a turn; then 503", 30))
    .addOption(seconds("--run-timeout-seconds <seconds>", "longest run; then the process ends", 300))
    .addOption(
      integer("--max-body-bytes <bytes>", "largest request body", {
        standard: 64 * MEBIBYTE,
        min: 1,
        max: LARGEST_BODY_BYTES,
      }),
    )
    .addOption(seconds("--drain-delay-seconds <seconds>", "after SIGTERM, still take new connections so long", 5))
    .addOption(seconds("--grace-period-seconds <seconds>", "after SIGTERM, end within this time, finished or not", 30))
    .addOption(
      text(
        "--termination-log <file>",
        "file that gets the reason of a failure; left alone if it does not exist",
      ).default("/dev/termination-log"),
    );
}

function addStorageOptions(command: Command): void {
  command
    .addOption(text("--model-directory <folder>", "where downloads go (default: a new temporary folder)"))
    .addOption(text("--pvc-root <folder>", "where claims are mounted, each under its name").default("/mnt/pvc"))
    .addOption(seconds("--download-timeout-seconds <seconds>", "longest download, attempts included", 600))
    .addOption(
      integer("--max-model-bytes <bytes>", "largest model", { standard: 10 * GIBIBYTE, min: 1, max: 1024 * GIBIBYTE }),
    );
}

function text(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    if (value.trim() === "") {
      throw new InvalidArgumentError("It must not be empty.");
    }
    return value;
  });
}

interface NumberRule {
  readonly standard?: number;
  readonly min: number;
  readonly max: number;
}

function integer(flags: string, description: string, rule: NumberRule): Option {
  return numeric(new Option(flags, description), rule, /^\d+$/);
}

/** Fractions are allowed; at most a day. */
function seconds(flags: string, description: string, standard: number): Option {
  return numeric(new Option(flags, description), { standard, min: 0, max: 86_400 }, /^\d+(\.\d+)?$/);
}

function numeric(option: Option, { standard, min, max }: NumberRule, form: RegExp): Option {
  return option.default(standard).argParser((value: string) => {
    const parsed = Number(value);
    if (!form.test(value) || parsed < min || parsed > max) {
      throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
    }
    return parsed;
  });
}
