// Tests of the file system that containers see.

import { describe, expect, test } from "vitest";
import { fakeMachine } from "./fake-machine.ts";
import { type LayoutStep, type Mount, planRootDirectory } from "./root-directory.ts";

const machine = fakeMachine({
  "/bin": "-> usr/bin",
  "/usr/bin/node": "file",
  "/etc/hosts": "file",
  "/etc/ssl/certs/ca.pem": "file",
  "/var/run": "-> /run",
  "/var/log/syslog": "file",
  "/run/lock/x": "file",
  "/tmp/other/secret": "file",
  "/boot/vmlinuz": "file",
  "/dev/null": "file",
  "/proc/version": "file",
  "/initrd.img": "file",
});

function show(step: LayoutStep): string {
  const path = step.path.replace(/^\/root-of-c/, "R");
  switch (step.do) {
    case "bind":
      return `bind ${path} <- ${step.source}${step.readOnly ? " ro" : ""}`;
    case "link":
      return `link ${path} -> ${step.to}`;
    case "make directory":
    case "make file":
      return `${step.do} ${path}`;
  }
}

const plan = (...mounts: Partial<Mount>[]): string[] => {
  const standard: Mount = { source: "/volume", target: "/x", readOnly: false, type: "directory" };
  const all = mounts.map((mount) => ({ ...standard, ...mount }));
  return planRootDirectory("/root-of-c", all, machine).map(show);
};

describe("planRootDirectory", () => {
  test("shares the machine's directories and links, and has private ones", () => {
    const steps = plan();
    expect(steps).toContain("link R/bin -> usr/bin");
    expect(steps).toContain("bind R/usr <- /usr");
    expect(steps).toContain("make directory R/tmp");
    expect(steps).toContain("bind R/dev/null <- /dev/null");
    expect(steps.filter((step) => /R\/(boot|initrd)/.test(step))).toEqual([]);
    expect(steps.filter((step) => step.includes("<- /tmp") || step.includes("<- /proc"))).toEqual([]);
    expect(steps.filter((step) => step.includes(".machine"))).toEqual([]);
  });

  test.each<[string, Partial<Mount>, string[]]>([
    [
      "in a private directory",
      { target: "/mnt/pvc/models", readOnly: true },
      ["make directory R/mnt/pvc/models", "bind R/mnt/pvc/models <- /volume ro"],
    ],
    ["at a new top-level name", { target: "/models" }, ["make directory R/models", "bind R/models <- /volume"]],
    [
      "through a link of the machine",
      { target: "/var/run/secrets/token" },
      ["make directory R/run/secrets/token", "bind R/run/secrets/token <- /volume"],
    ],
    [
      "on a file that exists",
      { target: "/etc/hosts", type: "file" },
      ["bind R/etc <- /etc", "bind R/etc/hosts <- /volume"],
    ],
    [
      "in the container's own /dev",
      { target: "/dev/termination-log", type: "file" },
      ["make file R/dev/termination-log", "bind R/dev/termination-log <- /volume"],
    ],
  ])("a mount %s", (_sentence, mount, expected) => {
    const steps = plan(mount);
    expect(steps.filter((step) => expected.includes(step))).toEqual(expected);
    expect(steps.filter((step) => step.includes(".machine"))).toEqual([]);
  });

  test("a mount at a name that a shared directory lacks changes a copy of it, not the machine's", () => {
    const steps = plan({ target: "/etc/ssl/plimsoll/tls" });
    expect(steps.filter((step) => step.includes("R/etc"))).toEqual([
      "make directory R/etc",
      "link R/etc/hosts -> /.machine/etc/hosts",
      "make directory R/etc/ssl",
      "link R/etc/ssl/certs -> /.machine/etc/ssl/certs",
      "make directory R/etc/ssl/plimsoll",
      "make directory R/etc/ssl/plimsoll/tls",
      "bind R/etc/ssl/plimsoll/tls <- /volume",
    ]);
    expect(steps.slice(-2)).toEqual(["make directory R/.machine", "bind R/.machine <- /"]);
  });

  test("a mount inside a volume gets its mount point in the volume, and comes after it", () => {
    const steps = plan(
      { target: "/data/config", source: "/inner", type: "file" },
      { target: "/data", source: "/outer" },
    );
    const relevant = steps.filter((step) => /data|inner|outer/.test(step));
    expect(relevant).toEqual([
      "make directory R/data",
      "bind R/data <- /outer",
      "make file /outer/config",
      "bind R/data/config <- /inner",
    ]);
  });

  test("no step but in a volume makes anything outside of the root", () => {
    const steps = planRootDirectory(
      "/root-of-c",
      [{ source: "/v", target: "/opt/a/b", readOnly: false, type: "directory" }],
      machine,
    );
    for (const step of steps) expect(step.path).toMatch(/^\/root-of-c\//);
  });
});
