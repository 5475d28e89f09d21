// browser.mjs: pages of reports in a headless Chromium that tells of everything a report must not do.
import {execFile} from "node:child_process";
import {mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const require = createRequire(join(process.env.GPUFLEET_NODE_MODULES, "resolve.js"));
const puppeteer = require("puppeteer-core");
const axeSource = require("axe-core").source;
const reportPage = process.env.GPUFLEET_REPORT_PAGE;
const running = new Set();

// What report_page prints for ARGUMENTS and INPUT. It may take a while: signals are heard meanwhile.
function run(args, input = "") {
	return new Promise((resolve, reject) => {
		const child = execFile(reportPage, args, {maxBuffer: 1 << 30, encoding: "buffer"},
			(error, output) => (error ? reject(error) : resolve(output)));

		running.add(child);
		child.on("exit", () => running.delete(child));
		child.stdin.on("error", () => {}); // It ended early: its status says why.
		child.stdin.end(input);
	});
}

// The report of a made-up fleet, as the program prints it.
export function fleetReport(hosts, gpus) {
	return run(["fleet", String(hosts), String(gpus)]);
}

export class Browser {
	static async start() {
		const self = new Browser();

		self.directory = mkdtempSync(join(tmpdir(), "gpufleet-html."));
		// Whatever ends this process, a signal, too: neither a browser nor its files stay behind.
		process.once("exit", () => {
			for (const child of running)
				child.kill();
			self.browser?.process()?.kill("SIGKILL");
			rmSync(self.directory, {recursive: true, force: true, maxRetries: 5});
		});
		for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]])
			process.once(signal, () => process.exit(128 + number));
		self.browser = await puppeteer.launch({
			executablePath: process.env.GPUFLEET_CHROMIUM,
			// Root has no sandbox of its own in a container; the page is ours.
			args: ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"],
			handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
			userDataDir: join(self.directory, "profile"),
		});
		return self;
	}

	async stop() {
		await this.browser.close();
		this.browser = null;
		rmSync(this.directory, {recursive: true, force: true});
	}

	// Writes the page of REPORT (JSON text) and returns its address.
	async write(name, report) {
		const path = join(this.directory, `${name}.html`);

		writeFileSync(path, await run(["render"], report));
		return pathToFileURL(path).href;
	}

	// Opens ADDRESS. `page.faults` gathers what a report must never cause: requests but for itself, errors,
	// violations of its policy, dialogs.
	async open(address, {scheme = "light", width = 1280, height = 900, script = true, mind = true} = {}) {
		const page = await this.browser.newPage();

		page.faults = [];
		page.on("pageerror", error => page.faults.push(`error: ${error.message}`));
		page.on("console", message => page.faults.push(`console: ${message.text()}`));
		page.on("dialog", dialog => {
			page.faults.push(`dialog: ${dialog.message()}`);
			dialog.dismiss();
		});
		if (mind) {
			await page.setRequestInterception(true);
			page.on("request", request => {
				if (request.url().split("#")[0] === address)
					return request.continue();
				page.faults.push(`request: ${request.url()}`);
				return request.abort();
			});
		}
		await page.exposeFunction("tellViolation", text => page.faults.push(`policy: ${text}`));
		await page.evaluateOnNewDocument(() => document.addEventListener("securitypolicyviolation",
			event => window.tellViolation(`${event.violatedDirective} ${event.blockedURI}`)));
		await page.setViewport({width, height});
		await page.emulateMediaFeatures([{name: "prefers-color-scheme", value: scheme}]);
		await page.setJavaScriptEnabled(script);
		await page.goto(address, {waitUntil: "load"});
		return page;
	}
}

// What axe-core finds on the page as it is: "rule: element" each.
export async function axe(page, options = {}) {
	await page.evaluate(axeSource);
	const result = await page.evaluate(async given => {
		const {violations} = await window.axe.run(document, {resultTypes: ["violations"], ...given});
		return violations.flatMap(({id, nodes}) => nodes.slice(0, 5).map(node => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
	}, options);

	return result;
}
