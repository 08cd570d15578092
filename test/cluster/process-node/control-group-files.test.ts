// Tests of control group mounts and limits.

import { describe, expect, test } from "vitest";
import { findControllers, limitFiles, parentFiles } from "./control-group-files.ts";

const versionOne = `
25 30 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
26 30 0:25 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory
27 30 0:26 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids`;
const unified = "\n31 30 0:27 / /sys/fs/cgroup/unified rw,relatime shared:1 - cgroup2 cgroup2 rw,nsdelegate";

describe("findControllers", () => {
  test.each([
    [
      "cgroup v1",
      versionOne,
      [
        { version: 1, folder: "/sys/fs/cgroup/cpu,cpuacct", names: ["cpu"] },
        { version: 1, folder: "/sys/fs/cgroup/memory", names: ["memory"] },
      ],
    ],
    ["cgroup v2", unified, [{ version: 2, folder: "/sys/fs/cgroup/unified", names: ["cpu", "memory"] }]],
    [
      "both, where v1 has taken only the memory controller",
      `${versionOne.split("\n")[2]}${unified}`,
      [
        { version: 1, folder: "/sys/fs/cgroup/memory", names: ["memory"] },
        { version: 2, folder: "/sys/fs/cgroup/unified", names: ["cpu"] },
      ],
    ],
    ["neither", "20 1 8:1 / / rw - ext4 /dev/sda1 rw", []],
  ])("%s", (_sentence, mountInfo, expected) => {
    expect(findControllers(mountInfo)).toEqual(expected);
  });

  test("v2 is not used beside v1 for what v1 has taken", () => {
    expect(findControllers(versionOne + unified).map(({ version }) => version)).toEqual([1, 1]);
  });
});

describe("limitFiles", () => {
  const resources = { requests: { cpu: "100m" }, limits: { cpu: "200m", memory: "256Mi" } };

  test("v1: a period of 100 ms as from a kubelet, before the quota that refers to it", () => {
    expect(limitFiles(1, ["cpu", "memory"], resources)).toEqual([
      ["cpu.shares", "102"],
      ["cpu.cfs_period_us", "100000"],
      ["cpu.cfs_quota_us", "20000"],
      ["memory.limit_in_bytes", `${256 * 1024 * 1024}`],
    ]);
  });

  test("v2", () => {
    expect(limitFiles(2, ["cpu", "memory"], resources)).toEqual([
      ["cpu.weight", "4"],
      ["cpu.max", "20000 100000"],
      ["memory.max", `${256 * 1024 * 1024}`],
    ]);
  });

  test("nothing is written for a controller that lies elsewhere, nor without limits", () => {
    expect(limitFiles(1, ["memory"], resources).map(([file]) => file)).toEqual(["memory.limit_in_bytes"]);
    expect(limitFiles(2, ["cpu", "memory"], {})).toEqual([]);
  });

  test("the smallest quota is the kernel's", () => {
    expect(limitFiles(2, ["cpu"], { limits: { cpu: "1m" } })).toEqual([["cpu.max", "1000 100000"]]);
  });
});

describe("parentFiles", () => {
  test.each<[string, { args: Parameters<typeof parentFiles>; files: [string, string][] }]>([
    ["v1: 1024 shares for each CPU", { args: [1, ["cpu"], 16], files: [["cpu.shares", "16384"]] }],
    ["v1: no more shares than the kernel takes", { args: [1, ["cpu"], 384], files: [["cpu.shares", "262144"]] }],
    ["v2: the default weight for each CPU", { args: [2, ["cpu", "memory"], 16], files: [["cpu.weight", "1600"]] }],
    ["v2: no more weight than the kernel takes", { args: [2, ["cpu"], 384], files: [["cpu.weight", "10000"]] }],
    ["nothing where the CPU controller lies elsewhere", { args: [1, ["memory"], 16], files: [] }],
  ])("%s", (_sentence, { args, files }) => {
    expect(parentFiles(...args)).toEqual(files);
  });
});
