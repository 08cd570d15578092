// Which addresses a download may connect to: public ones, private ones as configured, never those of the machine itself.

import { BlockList, isIP } from "node:net";

/** Private networks that are allowed unless configured otherwise: storage inside a cluster lives in them. */
export const DEFAULT_ALLOWED_NETWORKS: readonly string[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
];

/** No setting allows these: link-local, the clouds' metadata and credential services, and what is no single host. */
const FORBIDDEN_NETWORKS: readonly string[] = [
  "0.0.0.0/8",
  "169.254.0.0/16",
  "100.100.100.200/32",
  "168.63.129.16/32",
  "192.0.0.192/32",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/128",
  "fe80::/10",
  "fec0::/10",
  "fd00:ec2::/32",
  "fd20:ce::254/128",
  "fd00:c1::a9fe:a9fe/128",
  "ff00::/8",
];

/** Neither public nor forbidden: allowed where the configuration names them. */
const PRIVATE_NETWORKS: readonly string[] = [
  ...DEFAULT_ALLOWED_NETWORKS,
  "127.0.0.0/8",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "::1/128",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/32",
  "2001:db8::/32",
];

/** IPv6 forms that carry an IPv4 address, as the number of 16-bit groups before it: mapped, compatible, NAT64, 6to4. */
const EMBEDDINGS: readonly { readonly network: BlockList; readonly group: number }[] = [
  { network: blockListOf(["::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96"]), group: 6 },
  { network: blockListOf(["2002::/16"]), group: 1 },
];

/** What speaks against an address; undefined where nothing does. */
export type Refusal = "forbidden" | "not configured";

export class NetworkPolicy {
  readonly #allowed: BlockList;

  /** @param allowedNetworks private networks, each as `isNetwork` wants it. */
  constructor(allowedNetworks: readonly string[]) {
    this.#allowed = blockListOf(allowedNetworks);
  }

  /** Why a connection to `address` is refused. What is no IPv4 or IPv6 address is forbidden. */
  refusalOf(address: string): Refusal | undefined {
    const plain = embeddedIpv4(address) ?? withoutZone(address);
    if (isIP(plain) === 0 || contains(FORBIDDEN, plain)) {
      return "forbidden";
    }
    return contains(PRIVATE, plain) && !contains(this.#allowed, plain) ? "not configured" : undefined;
  }
}

/** Whether anybody on the internet could connect to `address` as well. */
export function isPublic(address: string): boolean {
  return new NetworkPolicy([]).refusalOf(address) === undefined;
}

/** An address and the length of its network's part, such as `10.0.0.0/8` or `fc00::/7`. */
export function isNetwork(text: string): boolean {
  const { address, length, family } = partsOf(text);
  return (
    family !== 0 && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128) && !address.includes("%")
  );
}

const FORBIDDEN = blockListOf(FORBIDDEN_NETWORKS);
const PRIVATE = blockListOf(PRIVATE_NETWORKS);

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const { address, length, family } = partsOf(network);
    list.addSubnet(address, Number(length), family === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

function partsOf(network: string): { address: string; length: string; family: number } {
  const [address = "", length = "", ...rest] = network.split("/");
  return { address, length, family: rest.length === 0 ? isIP(address) : 0 };
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}

/** The zone of `fe80::1%eth0` says which interface, not which host. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}

/** The IPv4 address that the connection would in the end be made to; undefined where there is none. */
function embeddedIpv4(address: string): string | undefined {
  const plain = withoutZone(address);
  if (isIP(plain) !== 6) {
    return undefined;
  }
  const embedding = EMBEDDINGS.find(({ network }) => network.check(plain, "ipv6"));
  const groups = groupsOf(plain);
  // `::` and `::1` are in the network of compatible addresses, but mean the machine itself.
  if (embedding === undefined || groups.slice(0, 7).every((group) => group === 0)) {
    return undefined;
  }
  const [high = 0, low = 0] = groups.slice(embedding.group, embedding.group + 2);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight 16-bit numbers of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser writes every form, dotted IPv4 at the end included, in hexadecimal groups.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const [before, after] = [hexadecimalNumbers(head), hexadecimalNumbers(tail ?? "")];
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}

function hexadecimalNumbers(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}
