// The command line flags about where the model comes from and what its download may take.

import { type Command, InvalidArgumentError, Option } from "commander";

import { integer, seconds, text } from "../flags.ts";
import { DEFAULT_ALLOWED_NETWORKS, isNetwork } from "./network-policy.ts";
import { STORAGE_FORMS } from "./storage-uri.ts";

/** How S3 addresses name the bucket: in the path, in the host name, or in the path only where the endpoint is not AWS. */
export const ADDRESSING_STYLES = ["auto", "path", "virtual"] as const;
export type AddressingStyle = (typeof ADDRESSING_STYLES)[number];

export interface StorageConfig {
  readonly storageUri: string;
  /** SHA-256 that the downloaded file or archive must have, in lower case hexadecimal. */
  readonly storageSha256: string | undefined;
  /** Undefined: a temporary folder, made when there is a download. */
  readonly modelDirectory: string | undefined;
  readonly pvcRoot: string;
  readonly ociRoot: string;
  readonly downloadTimeoutSeconds: number;
  readonly maxModelBytes: number;
  readonly maxModelFiles: number;
  readonly maxExpansionRatio: number;
  /** Undefined: credentials come from the environment only. */
  readonly storageCredentialsDirectory: string | undefined;
  readonly storageInstanceCredentials: boolean;
  /** Networks as ADDRESS/LENGTH. */
  readonly storageAllowedNetworks: readonly string[];
  /** Undefined: AWS, or what the environment says. */
  readonly s3Endpoint: string | undefined;
  readonly s3AddressingStyle: AddressingStyle;
}

/** The flags without a default, which are absent where they are not given. */
export const STORAGE_NOT_GIVEN = {
  storageSha256: undefined,
  modelDirectory: undefined,
  storageCredentialsDirectory: undefined,
  s3Endpoint: undefined,
} satisfies Partial<StorageConfig>;

const GIBIBYTE = 1024 ** 3;

export function addStorageOptions(command: Command): void {
  command
    .addOption(text("--storage-uri <uri>", `where the model is: ${STORAGE_FORMS}`).makeOptionMandatory())
    .addOption(sha256("--storage-sha256 <hex>", "SHA-256 of the one file or archive at the storage URI"))
    .addOption(
      text("--model-directory <folder>", "where downloads go, this server's alone (default: a new temporary folder)"),
    )
    .addOption(text("--pvc-root <folder>", "where claims are mounted, each under its name").default("/mnt/pvc"))
    .addOption(text("--oci-root <folder>", "where the image of an oci:// address is mounted").default("/mnt/oci"));
  addLimits(command);
  addAccess(command);
}

function addLimits(command: Command): void {
  command
    .addOption(
      seconds("--download-timeout-seconds <seconds>", "longest download, attempts and unpacking included", 600),
    )
    .addOption(
      integer("--max-model-bytes <bytes>", "largest model, as downloaded and as unpacked", {
        standard: 10 * GIBIBYTE,
        min: 1,
        max: 1024 * GIBIBYTE,
      }),
    )
    .addOption(
      integer("--max-model-files <count>", "most files of a folder or an archive", {
        standard: 10_000,
        min: 1,
        max: 1_000_000,
      }),
    )
    .addOption(
      integer("--max-expansion-ratio <ratio>", "most unpacked bytes per byte of an archive, beyond the first 16 MiB", {
        standard: 100,
        min: 1,
        max: 10_000,
      }),
    );
}

function addAccess(command: Command): void {
  command
    .addOption(
      text(
        "--storage-credentials-directory <folder>",
        "folder of a mounted Secret: one file per credential, by its name",
      ),
    )
    .addOption(
      new Option(
        "--storage-instance-credentials",
        "ask the cloud's metadata service for credentials where there are no others",
      ).default(false),
    )
    .addOption(
      networks("--storage-allowed-networks <list>", "private networks to download from, as CIDR; empty: none").default(
        DEFAULT_ALLOWED_NETWORKS,
        DEFAULT_ALLOWED_NETWORKS.join(","),
      ),
    )
    .addOption(
      httpUrl("--s3-endpoint <url>", "S3 service other than AWS (default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL)"),
    )
    .addOption(
      new Option("--s3-addressing-style <style>", "where the bucket's name goes; auto: virtual for AWS, else path")
        .choices(ADDRESSING_STYLES)
        .default("auto"),
    );
}

function sha256(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    if (!/^[0-9a-f]{64}$/i.test(value)) {
      throw new InvalidArgumentError("Give 64 hexadecimal digits.");
    }
    return value.toLowerCase();
  });
}

function networks(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    const list = value === "" ? [] : value.split(",").map((network) => network.trim());
    const wrong = list.find((network) => !isNetwork(network));
    if (wrong !== undefined) {
      throw new InvalidArgumentError(
        `${JSON.stringify(wrong)} is no network; give a list such as 10.0.0.0/8,fc00::/7.`,
      );
    }
    return list;
  });
}

function httpUrl(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string) => {
    const url = URL.parse(value);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
      throw new InvalidArgumentError("Give http://HOST or https://HOST, without user name and password.");
    }
    return value;
  });
}
