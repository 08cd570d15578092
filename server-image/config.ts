// The command line: every setting of the server with its default and what is allowed.

import { Command, Option } from "commander";

import { ACCEPTANCE_NOT_GIVEN, type AcceptanceSettings, addAcceptanceOptions } from "./acceptance.ts";
import { integer, seconds, text } from "./flags.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";
import { addModelOptions, MODEL_NOT_GIVEN, type ModelSettings } from "./models/options.ts";
import { addProtocolOptions, PROTOCOLS_NOT_GIVEN, type ProtocolSettings } from "./protocols/options.ts";
import { addStorageOptions, STORAGE_NOT_GIVEN, type StorageConfig } from "./storage/options.ts";

export interface Config extends ModelSettings, AcceptanceSettings, ProtocolSettings, StorageConfig {
  readonly modelName: string;
  /** 0: any free port. */
  readonly httpPort: number;
  /** 0: any free port. */
  readonly grpcPort: number;
  readonly maxBodyBytes: number;
  readonly drainDelaySeconds: number;
  readonly gracePeriodSeconds: number;
  readonly terminationLog: string;
  readonly logLevel: LogLevel;
}

const MEBIBYTE = 1024 ** 2;

/** The text of a body must fit in one string of V8, which ends a little below 512 MiB. */
const LARGEST_BODY_BYTES = 500 * MEBIBYTE;

/**
 * @param argv the arguments after the program's name
 * @param print gets the help or the complaint
 *
 * Throws commander's CommanderError, whose `exitCode` is 0 for `--help` and 1 for wrong arguments, after printing.
 */
export function parseConfig(argv: readonly string[], print: (text: string) => void): Config {
  const command = makeCommand()
    .exitOverride()
    .configureOutput({ writeOut: print, writeErr: print })
    .parse([...argv], { from: "user" });
  // Flags without a default are missing from what commander gives, where they are not on the command line.
  return {
    ...MODEL_NOT_GIVEN,
    ...ACCEPTANCE_NOT_GIVEN,
    ...PROTOCOLS_NOT_GIVEN,
    ...STORAGE_NOT_GIVEN,
    ...command.opts<Config>(),
  };
}

function makeCommand(): Command {
  const command = new Command("plimsoll-server")
    .description(
      "Serves one ONNX model over the Open Inference Protocol (REST and gRPC) and TensorFlow Serving's REST interface.",
    )
    .addOption(text("--model-name <name>", "name of the model in request paths").makeOptionMandatory())
    .addOption(
      integer("--http-port <port>", "port for requests, health and metrics; 0: any free one", {
        standard: 8080,
        min: 0,
        max: 65_535,
      }),
    )
    .addOption(
      integer("--grpc-port <port>", "port for gRPC; 0: any free one", { standard: 9000, min: 0, max: 65_535 }),
    );
  addModelOptions(command);
  addAcceptanceOptions(command);
  addProtocolOptions(command);
  addStorageOptions(command);
  addRequestOptions(command);
  return command.addOption(new Option("--log-level <level>", "least level logged").choices(LOG_LEVELS).default("info"));
}

function addRequestOptions(command: Command): void {
  command
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
