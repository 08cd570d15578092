// The flags of the protocols: who may call from a browser, and other names of the version.

import { type Command, InvalidArgumentError, Option } from "commander";

import { integer } from "../flags.ts";
import { type AllowedOrigins, parseAllowedOrigins } from "./http/cross-origin.ts";

export interface ProtocolSettings {
  /** Undefined: none but the server's own. */
  readonly corsAllowOrigin: AllowedOrigins | undefined;
  readonly versionLabels: readonly string[];
  /** Of each of the two ports, over all I/O threads. */
  readonly maxConnections: number;
}

/** The values of flags that have no default. */
export const PROTOCOLS_NOT_GIVEN = { corsAllowOrigin: undefined } as const;

/** As in TensorFlow Serving. */
const LABEL = /^\w+$/;

export function addProtocolOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--cors-allow-origin <origins>",
        "whose pages may call the model from a browser: * or a list with commas (default: none)",
      ).argParser(origins),
    )
    .addOption(
      new Option("--version-labels <labels>", "names for the version in TensorFlow Serving's paths, with commas")
        .argParser(labels)
        .default([], "none"),
    )
    .addOption(
      integer("--max-connections <count>", "connections to each port; for a new one beyond, an idle one is ended", {
        standard: 10_000,
        min: 1,
        max: 1_000_000,
      }),
    );
}

function origins(value: string): AllowedOrigins {
  try {
    return parseAllowedOrigins(value);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function labels(value: string): string[] {
  const names = value.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !LABEL.test(name));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `${JSON.stringify(wrong)} is no label: letters, digits and underscores are allowed.`,
    );
  }
  return names;
}
