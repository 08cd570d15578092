// Addresses of every kind and spelling, and whether a download may connect to them.

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { DEFAULT_ALLOWED_NETWORKS, isNetwork, isPublic, NetworkPolicy } from "./network-policy.ts";

const standard = new NetworkPolicy(DEFAULT_ALLOWED_NETWORKS);
const none = new NetworkPolicy([]);
const everything = new NetworkPolicy(["0.0.0.0/0", "::/0"]);

const ADDRESSES: readonly [
  address: string,
  byDefault: string | undefined,
  publicOnly: string | undefined,
  what: string,
][] = [
  ["8.8.8.8", undefined, undefined, "public"],
  ["2606:4700::1111", undefined, undefined, "public"],
  ["10.96.0.1", undefined, "not configured", "a service of a cluster"],
  ["172.16.0.1", undefined, "not configured", "private"],
  ["172.32.0.1", undefined, undefined, "just outside the private network"],
  ["192.168.1.1", undefined, "not configured", "private"],
  ["100.64.1.1", undefined, "not configured", "carrier-grade NAT"],
  ["fd12::1", undefined, "not configured", "unique local"],
  ["127.0.0.1", "not configured", "not configured", "loopback"],
  ["127.255.255.254", "not configured", "not configured", "loopback, the last"],
  ["::1", "not configured", "not configured", "loopback"],
  ["::ffff:127.0.0.1", "not configured", "not configured", "loopback, mapped"],
  ["0:0:0:0:0:ffff:7f00:1", "not configured", "not configured", "loopback, mapped, written out"],
  ["::ffff:10.0.0.1", undefined, "not configured", "private, mapped"],
  ["64:ff9b::10.0.0.1", undefined, "not configured", "private, through NAT64"],
  ["2002:a00:1::", undefined, "not configured", "private, through 6to4"],
  ["192.0.2.1", "not configured", "not configured", "for documentation"],
  ["2001:db8::1", "not configured", "not configured", "for documentation"],
  ["2001::1", "not configured", "not configured", "Teredo"],
  ["0.0.0.0", "forbidden", "forbidden", "this host"],
  ["::", "forbidden", "forbidden", "this host"],
  ["::ffff:0.0.0.0", "forbidden", "forbidden", "this host, mapped"],
  ["169.254.169.254", "forbidden", "forbidden", "metadata"],
  ["169.254.170.23", "forbidden", "forbidden", "credentials of pods"],
  ["::ffff:169.254.169.254", "forbidden", "forbidden", "metadata, mapped"],
  ["::ffff:a9fe:a9fe", "forbidden", "forbidden", "metadata, mapped, in hexadecimal"],
  ["::a9fe:a9fe", "forbidden", "forbidden", "metadata, compatible"],
  ["64:ff9b::a9fe:a9fe", "forbidden", "forbidden", "metadata, through NAT64"],
  ["2002:a9fe:a9fe::1", "forbidden", "forbidden", "metadata, through 6to4"],
  ["fd00:ec2::254", "forbidden", "forbidden", "metadata of AWS"],
  ["fd20:ce::254", "forbidden", "forbidden", "metadata of Google"],
  ["100.100.100.200", "forbidden", "forbidden", "metadata of Alibaba"],
  ["168.63.129.16", "forbidden", "forbidden", "host of Azure"],
  ["fe80::1", "forbidden", "forbidden", "link-local"],
  ["fe80::1%eth0", "forbidden", "forbidden", "link-local with a zone"],
  ["febf::1", "forbidden", "forbidden", "link-local, the last network"],
  ["224.0.0.1", "forbidden", "forbidden", "multicast"],
  ["ff02::1", "forbidden", "forbidden", "multicast"],
  ["255.255.255.255", "forbidden", "forbidden", "broadcast"],
  ["", "forbidden", "forbidden", "no address"],
  ["localhost", "forbidden", "forbidden", "a name"],
];

describe("an address is refused as the table says", () => {
  test.each(ADDRESSES)("%s: by default %s, public addresses only %s (%s)", (address, byDefault, publicOnly) => {
    expect(standard.refusalOf(address)).toBe(byDefault);
    expect(none.refusalOf(address)).toBe(publicOnly);
    expect(isPublic(address)).toBe(publicOnly === undefined);
    // Whoever allows everything still does not allow what is forbidden.
    expect(everything.refusalOf(address)).toBe(byDefault === "forbidden" ? "forbidden" : undefined);
  });
});

test("an IPv4 address is judged alike in every form that carries it", () => {
  const ipv4 = fc.ipV4().filter((address) => !/^0\.0\.0\.[01]$/.test(address));
  fc.assert(
    fc.property(ipv4, (address) => {
      const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
      const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
      const verdict = standard.refusalOf(address);
      for (const form of [`::ffff:${address}`, `::ffff:${hex}`, `64:ff9b::${hex}`, `2002:${hex}::`]) {
        expect(standard.refusalOf(form), form).toBe(verdict);
      }
    }),
  );
});

test("a configured loopback is allowed, and nothing else", () => {
  const policy = new NetworkPolicy(["127.0.0.1/32"]);
  expect(policy.refusalOf("127.0.0.1")).toBeUndefined();
  expect(policy.refusalOf("::ffff:127.0.0.1")).toBeUndefined();
  expect(policy.refusalOf("127.0.0.2")).toBe("not configured");
  expect(policy.refusalOf("10.0.0.1")).toBe("not configured");
});

describe("networks", () => {
  test.each(["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "fc00::/7", "::/0", "::1/128"])("%s is one", (text) => {
    expect(isNetwork(text)).toBe(true);
  });
  test.each([
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0/8",
    "fc00::/129",
    "/8",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "x/8",
    "fe80::1%e/64",
  ])("%s is none", (text) => {
    expect(isNetwork(text)).toBe(false);
  });
});
