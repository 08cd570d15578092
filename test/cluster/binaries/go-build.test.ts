// The flags of a build.

import { expect, test } from "vitest";
import { goFlags } from "./go-build.ts";

test.each([
  ["no flags", undefined, "-mod=readonly"],
  ["flags that would change go.mod are dropped", "-mod=mod", "-mod=readonly"],
  ["another go.mod is dropped", "-modfile=/tmp/go.mod -v", "-v -mod=readonly"],
  ["the caller's own flags stay", "-modcacherw -p=1", "-modcacherw -p=1 -mod=readonly"],
])("goFlags: %s", (_name, flags, expected) => {
  expect(goFlags(flags)).toBe(expected);
});
