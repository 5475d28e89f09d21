// bench.mjs: how long a page of 5,000 hosts with 8 GPUs each takes: from the navigation until its tables are
// drawn and the browser has painted; and how long sorting and filtering take then. Medians, each of a fresh page.
import {statSync} from "node:fs";
import {fileURLToPath} from "node:url";

import {Browser, fleetReport} from "./browser.mjs";

const hosts = 5000, gpus = 8, rounds = 5;
const browser = await Browser.start();

function median(numbers) {
	return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

try {
	const address = await browser.write("large", await fleetReport(hosts, gpus));
	const times = {open: [], sort: [], filter: []};

	for (let round = 0; round < rounds; round++) {
		const page = await browser.open("about:blank", {mind: false});

		await page.evaluateOnNewDocument(() => addEventListener("load",
			() => requestAnimationFrame(() => setTimeout(() => (window.painted = performance.now())))));
		await page.goto(address, {waitUntil: "load"});
		await page.waitForFunction(() => window.painted);
		times.open.push(await page.evaluate(() => window.painted));
		for (const [name, change] of [
			["sort", () => document.querySelector("#devices-data thead th:nth-child(2) button").click()],
			["filter", () => {
				const select = document.querySelector("#devices-data-verdict");

				select.value = "3";
				select.dispatchEvent(new Event("change"));
			}]])
			times[name].push(await page.evaluate(`(async () => {
				const start = performance.now();

				(${change})();
				await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
				return performance.now() - start;
			})()`));
		await page.close();
	}
	console.log(`A page of ${hosts} hosts with ${gpus} GPUs each, ${(statSync(fileURLToPath(address)).size / 1e6).toFixed(1)} MB, in a headless Chromium; median of ${rounds}:`);
	console.log(`  opened, tables drawn and painted   ${median(times.open).toFixed(0)} ms`);
	console.log(`  devices sorted by address          ${median(times.sort).toFixed(0)} ms`);
	console.log(`  devices filtered by verdict        ${median(times.filter).toFixed(0)} ms`);
} finally {
	await browser.stop();
}
