// screenshots.mjs DIR: the page as pictures, to be looked at: a small fleet whole and a large one's parts, in
// light and in dark, wide and narrow.
import {mkdirSync} from "node:fs";
import {join} from "node:path";

import {Browser, fleetReport} from "./browser.mjs";

const directory = process.argv[2];
const browser = await Browser.start();

mkdirSync(directory, {recursive: true});
try {
	const fleets = {small: await browser.write("small", await fleetReport(24, 4)), large: await browser.write("large", await fleetReport(5000, 8))};

	for (const scheme of ["light", "dark"]) {
		for (const width of [1280, 400]) {
			for (const [name, address] of Object.entries(fleets)) {
				const page = await browser.open(address, {scheme, width, height: width === 400 ? 900 : 1000});

				for (const part of ["h1", "#problems", "#capacity", "#map", "#hosts", "#devices"]) {
					await page.$eval(part, element => element.scrollIntoView());
					await page.screenshot({path: join(directory, `${name}-${scheme}-${width}-${part.replace("#", "")}.png`)});
				}
				await page.click("#devices-data tbody .link");
				await page.screenshot({path: join(directory, `${name}-${scheme}-${width}-dialog.png`)});
				await page.close();
			}
		}
	}
} finally {
	await browser.stop();
}
