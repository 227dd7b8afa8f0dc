import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

assert.ok(!readFileSync("dist/index.js", "utf8").includes(": string"));
console.log("1 test passed");
