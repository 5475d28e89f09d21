// test_page.mjs: what the page of a report does and must not do.
import assert from "node:assert/strict";
import {after, before, test} from "node:test";

import {axe, Browser, fleetReport} from "./browser.mjs";

const hostile = "</script><img src=x onerror=pwned()><!--\"'&amp;\n\u2028\u202e";
// As it is shown: marks that nobody sees, as bytes.
const shown = "</script><img src=x onerror=pwned()><!--\"'&amp;\\x0a\\xe2\\x80\\xa8\\xe2\\x80\\xae";
const signs = {ready: "R", in_use: "U", pending: "P", blocked: "B", unknown: "?", ignored: "–"};
let browser, report, small, spoiled, large;

function spoil(text) {
	const copy = JSON.parse(text);

	copy.fleet = hostile;
	copy.history[0].time = hostile;
	copy.capacity.flavors[0].flavor = hostile;
	copy.hosts.forEach((host, i) => {
		host.name = `${i}${hostile}`;
		host.domain = hostile;
		host.observed = hostile;
		for (const device of host.devices)
			Object.assign(device, {name: hostile, driver: hostile, alias: hostile, reasons: [hostile, "x"]});
		for (const check of host.checks)
			Object.assign(check, {evidence: hostile, cause: hostile, fix: hostile});
	});
	return JSON.stringify(copy);
}

// What a report has of --since and --what-if, and of flavors' limits.
function enrich(text) {
	const copy = JSON.parse(text), flavors = copy.capacity.flavors;

	for (const flavor of flavors)
		Object.assign(flavor, {at_least: false, limits: [{limit: "vcpus", hosts: 3, guests: 9}], unknown_hosts: 2, assumed_hosts: 80});
	copy.what_if = {changes: ["fix:iommu.tables"], fixes: true, gpus_changed: 12, now: copy.capacity, then: copy.capacity};
	copy.changes = {since: copy.generated, from: copy.generated, to: copy.generated,
		hosts: [{name: "gpu0001", changes: [{what: "kernel", device: null, before: "6.1.0-17-amd64", after: "6.1.0-18-amd64"}]}]};
	return JSON.stringify(copy);
}

before(async () => {
	browser = await Browser.start();
	report = enrich(await fleetReport(100, 4));
	small = await browser.write("small", report);
	spoiled = await browser.write("spoiled", spoil(report));
});

// Made when a test first asks for it: it takes the longest of all.
async function largePage() {
	large ??= await browser.write("large", await fleetReport(5000, 2));
	return large;
}

after(() => browser.stop());

// A page that the test closes, and of which nothing bad was heard.
async function withPage(address, options, use) {
	const page = await browser.open(address, options);

	try {
		await use(page);
		assert.deepEqual(page.faults, []);
	} finally {
		await page.close();
	}
}

const cells = (page, table, column) => page.$$eval(`#${table}-data tbody tr > :nth-child(${column})`, list => list.map(cell => cell.textContent));
const status = (page, table) => page.$eval(`#${table}-table [role=status]`, element => element.textContent);
const sortOf = (page, table, column) => page.$eval(`#${table}-data thead th:nth-child(${column})`, head => head.getAttribute("aria-sort"));
const settled = (page, table, text) => page.waitForFunction((id, wanted) => document.querySelector(`#${id}-table [role=status]`).textContent.startsWith(wanted),
	{timeout: 10000}, table, text);

async function focusIs(page, selector) {
	assert.equal(await page.evaluate(wanted => document.activeElement.matches(wanted), selector), true,
		`the focus is on ${await page.evaluate(() => document.activeElement.outerHTML.slice(0, 120))}, not on ${selector}`);
}

async function press(page, selector, key) {
	await page.focus(selector);
	await page.keyboard.press(key);
}

test("a page asks for nothing and keeps to its policy", async () => {
	for (const address of [small, await largePage()])
		await withPage(address, {}, async page => assert.equal(await page.$eval("html", root => root.dataset.state), "done"));
});

test("the policy holds: no inline script, no style, no request", async () => {
	const page = await browser.open(small, {mind: false});

	await page.evaluate(() => {
		const script = document.createElement("script"), image = document.createElement("img");

		script.textContent = "window.ran = true";
		image.src = "http://127.0.0.1:9/x.png";
		document.body.append(script, image);
		document.body.setAttribute("style", "color: red");
		return fetch("http://127.0.0.1:9/").catch(() => {});
	});
	await page.waitForFunction(() => true);
	assert.equal(await page.evaluate(() => window.ran), undefined);
	for (const directive of ["script-src", "img-src", "style-src", "connect-src"])
		assert.ok(page.faults.some(fault => fault.startsWith(`policy: ${directive}`)), `${directive}: ${page.faults.join("\n")}`);
	await page.close();
});

test("strings of hosts stay text", async () => {
	await withPage(spoiled, {}, async page => {
		assert.equal(await page.$$eval("img, iframe, script:not([type]) ~ script", list => list.length), 0);
		assert.equal(await page.$eval("h1", head => head.lastChild.textContent.trim()), shown);
		assert.equal((await cells(page, "hosts", 1))[0], `0${shown}`);
		assert.equal((await cells(page, "devices", 4))[0], `${shown} (10de:1b06)`);
		await page.click("#devices-data tbody .link");
		assert.ok((await page.$eval("#detail", dialog => dialog.textContent)).includes(shown));
	});
});

test("the tables say what the report says", async () => {
	const wanted = JSON.parse(report);

	await withPage(small, {}, async page => {
		const names = await cells(page, "hosts", 1), verdicts = await cells(page, "hosts", 3), gpus = await cells(page, "hosts", 4);

		names.forEach((name, i) => {
			assert.equal(name, wanted.hosts[i].name);
			assert.equal(verdicts[i].slice(1), wanted.hosts[i].verdict.replace("_", " "));
			assert.equal(Number(gpus[i]), wanted.hosts[i].devices.filter(device => device.primary && device.verdict !== "ignored").length);
		});
		const primaries = wanted.hosts.flatMap(host => host.devices.filter(device => device.primary).map(device => [host.name, device]));
		const rows = await page.$$eval("#devices-data tbody tr", list => list.map(row => [...row.cells].map(cell => cell.textContent)));

		assert.equal(rows.length, 50);
		rows.forEach((row, i) => {
			const [name, device] = primaries[i];

			assert.deepEqual(row, [name, device.address, signs[device.verdict] + device.verdict.replace("_", " "),
				`${device.name} (${device.vendor}:${device.device})`, device.driver ?? "",
				String(device.iommu_group ?? ""), String(device.numa_node ?? ""), device.alias ?? "",
				device.reasons.join(", ")]);
		});
	});
});

test("a column sorts by mouse and by keyboard", async () => {
	await withPage(small, {}, async page => {
		const head = "#hosts-data thead th:nth-child(1) button";

		await page.click(head);
		assert.equal(await sortOf(page, "hosts", 1), "ascending");
		assert.equal((await cells(page, "hosts", 1))[0], "gpu0001");
		await press(page, head, "Enter");
		assert.equal(await sortOf(page, "hosts", 1), "descending");
		assert.equal((await cells(page, "hosts", 1))[0], "gpu0100");
		await focusIs(page, head);
		// Another column begins anew; the worst verdict comes first.
		await press(page, "#hosts-data thead th:nth-child(3) button", "Space");
		assert.equal(await sortOf(page, "hosts", 3), "ascending");
		assert.equal(await sortOf(page, "hosts", 1), "none");
		const order = ["Bblocked", "?unknown", "Ppending", "Uin use", "Rready", "–ignored"];
		const places = (await cells(page, "hosts", 3)).map(verdict => order.indexOf(verdict));
		assert.ok(places.every((place, i) => place >= 0 && (i === 0 || places[i - 1] <= place)), String(places));
		assert.equal(places[0], 0);
		// Numbers sort as numbers, and what has none comes last both ways.
		for (const sort of ["ascending", "descending"]) {
			await page.click("#devices-data thead th:nth-child(6) button");
			assert.equal(await sortOf(page, "devices", 6), sort);
			const groups = (await cells(page, "devices", 6)).map(Number);
			assert.ok(groups.every((group, i) => i === 0 || (sort === "ascending" ? groups[i - 1] <= group : groups[i - 1] >= group)), String(groups));
		}
		await page.click("#devices-table .pager button:last-of-type");
		assert.equal((await cells(page, "devices", 6)).at(-1), "");
	});
});

test("rows filter by words, by column and by choice, and the count is said", async () => {
	const wanted = JSON.parse(report), primaries = wanted.hosts.flatMap(host => host.devices.filter(device => device.primary));

	await withPage(small, {}, async page => {
		assert.equal(await status(page, "devices"), `1–50 of ${primaries.length} devices, ${wanted.hosts.flatMap(host => host.devices).length} in all`);
		await page.type("#devices-data-search", "GPU0007 0000:01");
		await settled(page, "devices", "1–1 of 1 devices");
		assert.deepEqual(await cells(page, "devices", 1), ["gpu0007"]);
		await page.focus("#devices-data-search");
		await page.keyboard.down("Control");
		await page.keyboard.press("a");
		await page.keyboard.up("Control");
		await page.keyboard.type("group:51 reasons:device.driver");
		const matching = primaries.filter(device => device.iommu_group === 51 && device.reasons.includes("device.driver")).length;
		await settled(page, "devices", `1–${matching} of ${matching} devices`);
		await page.$eval("#devices-data-search", input => {
			input.value = "no such thing";
			input.dispatchEvent(new Event("input"));
		});
		await settled(page, "devices", "No device of");
		assert.equal(await page.$$eval("#devices-data tbody tr", rows => rows.length), 0);
		await page.select("#hosts-data-verdict", "3");
		const blocked = wanted.hosts.filter(host => host.verdict === "blocked").length;
		await settled(page, "hosts", `1–${blocked} of ${blocked} hosts, 100 in all`);
		await page.select("#hosts-data-domain", await page.$$eval("#hosts-data-domain option", options => options.find(option => option.text === "rack2").value));
		const both = wanted.hosts.filter(host => host.verdict === "blocked" && host.domain === "rack2").length;
		await settled(page, "hosts", `1–${both} of ${both} hosts`);
	});
});

test("the cards' other functions are shown when asked for", async () => {
	const all = JSON.parse(report).hosts.flatMap(host => host.devices).length;

	await withPage(small, {}, async page => {
		await press(page, "#devices-data-all", "Space");
		await settled(page, "devices", `1–50 of ${all} devices`);
		assert.ok((await cells(page, "devices", 2)).includes("0000:01:00.1"));
	});
});

test("a problem leads to its devices", async () => {
	await withPage(small, {}, async page => {
		const {id, count} = await page.$eval(".problem.w-blocked .scope", scope => ({id: scope.querySelector(".check").textContent, count: scope.querySelector("b").textContent}));

		await page.click(".problem.w-blocked .scope button");
		assert.equal(await page.$eval("#devices-data-search", input => input.value), `reasons:${id}`);
		await settled(page, "devices", `1–${parseInt(count, 10)} of ${parseInt(count, 10)} devices`);
		await focusIs(page, "#devices-data-search");
	});
});

test("every row of 5,000 hosts can be reached", async () => {
	await withPage(await largePage(), {}, async page => {
		const seen = new Set();

		for (;;) {
			for (const name of await cells(page, "hosts", 1))
				seen.add(name);
			if (await page.$eval("#hosts-table .pager button:last-of-type", button => button.disabled))
				break;
			await page.$eval("#hosts-table .pager button:nth-last-of-type(2)", button => button.click());
		}
		assert.equal(seen.size, 5000);
		// A page by its number, from the keyboard; one that is not there ends at the last.
		await page.$eval("#devices-table .pager input", input => (input.value = ""));
		await page.type("#devices-table .pager input", "99999");
		await page.keyboard.press("Enter");
		assert.equal(await page.$eval("#devices-table .pager input", input => input.value), await page.$eval("#devices-table .pager input", input => input.max));
		assert.equal((await cells(page, "devices", 1)).at(-1), "gpu5000");
		assert.ok(await page.$$eval("*", list => list.length) < 15000, "only one page of rows is in the document");
		// One host of 5,000, by its name.
		await page.type("#hosts-data-search", "gpu4711");
		await settled(page, "hosts", "1–1 of 1 hosts");
	});
});

test("the theme follows the system until somebody chooses", async () => {
	const ground = page => page.$eval("body", body => getComputedStyle(body).backgroundColor);
	const dark = "rgb(20, 23, 26)", light = "rgb(251, 251, 250)";

	for (const [scheme, own] of [["light", light], ["dark", dark]]) {
		await withPage(small, {scheme}, async page => {
			const label = () => page.$eval("#theme", button => button.textContent);

			assert.deepEqual([await label(), await ground(page)], ["Theme: automatic", own]);
			await page.click("#theme");
			assert.deepEqual([await label(), await ground(page)], ["Theme: light", light]);
			await press(page, "#theme", "Enter");
			assert.deepEqual([await label(), await ground(page)], ["Theme: dark", dark]);
			await page.reload();
			assert.deepEqual([await label(), await ground(page)], ["Theme: dark", dark]);
			await press(page, "#theme", "Space");
			assert.deepEqual([await label(), await ground(page)], ["Theme: automatic", own]);
		});
	}
});

test("the map is one tab stop, and its cells say and show what they are", async () => {
	await withPage(small, {}, async page => {
		assert.equal(await page.$$eval(".cells .cell", list => list.length), 100);
		assert.equal(await page.$$eval('.cells .cell[tabindex="0"]', list => list.length), 1);
		await page.focus('.cells .cell[tabindex="0"]');
		await page.keyboard.press("ArrowRight");
		await focusIs(page, '[aria-label^="gpu0002: "]');
		await page.keyboard.press("ArrowDown");
		const below = await page.evaluate(() => document.activeElement.getBoundingClientRect().top - document.querySelector('[aria-label^="gpu0002: "]').getBoundingClientRect().top);
		assert.ok(below > 10, String(below));
		await page.keyboard.press("End");
		await focusIs(page, '[aria-label^="gpu0100: "]');
		await page.keyboard.press("Enter");
		assert.equal(await page.$eval("#detail-title", title => title.textContent), "gpu0100");
		await page.keyboard.press("Escape");
		assert.equal(await page.$eval("#detail", dialog => dialog.open), false);
		await focusIs(page, '[aria-label^="gpu0100: "]');
		await page.click('[aria-label^="gpu0003: "]');
		assert.equal(await page.$eval("#detail-title", title => title.textContent), "gpu0003");
		// Without colour, letter and outline still tell verdicts apart.
		const signs = await page.$$eval("#map ~ .legend .cell:not(.part)", list => list.map(cell => {
			const style = getComputedStyle(cell);
			return [cell.textContent, [style.borderRadius, style.borderStyle, style.borderColor === style.backgroundColor].join()];
		}));
		assert.equal(new Set(signs.map(([letter]) => letter)).size, 6);
		assert.ok(new Set(signs.map(([, outline]) => outline)).size >= 5, JSON.stringify(signs));
	});
});

test("a device's checks are told with cause and fix", async () => {
	await withPage(small, {}, async page => {
		await page.select("#devices-data-verdict", "3");
		await press(page, "#devices-data tbody .link", "Enter");
		const text = await page.$eval("#detail", dialog => dialog.textContent);
		for (const part of ["fail", "Seen: ", "Fix: "])
			assert.ok(text.includes(part), text);
		await page.keyboard.press("Escape");
		await focusIs(page, "#devices-data tbody .link");
	});
});

test("Tab begins with the link that skips to the report", async () => {
	await withPage(small, {}, async page => {
		await page.keyboard.press("Tab");
		await focusIs(page, ".skip");
		await page.keyboard.press("Enter");
		await focusIs(page, "#main");
	});
});

test("it can be read without JavaScript", async () => {
	await withPage(small, {script: false}, async page => {
		const text = await page.$eval("body", body => body.innerText);

		for (const part of ["Problems", "Enable VT-d in the firmware setup", "nvidia1080", "rack3", "6.1.0-17-amd64", "processors on 3 hosts", "This table needs JavaScript"])
			assert.ok(text.includes(part), part);
		assert.equal(await page.$eval("#theme", button => getComputedStyle(button).display), "none");
		assert.equal(await page.$$eval(".cells .cell.blocked", list => list.length > 0), true);
	});
});

test("a narrow screen is not scrolled sideways, and paper has no controls", async () => {
	await withPage(small, {width: 400}, async page => {
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 400);
		await page.emulateMediaType("print");
		for (const part of [".controls", ".pager", "nav"])
			assert.equal(await page.$eval(part, element => getComputedStyle(element).display), "none");
	});
});

test("axe-core finds nothing, in light and in dark", async () => {
	for (const scheme of ["light", "dark"]) {
		await withPage(small, {scheme}, async page => {
			await page.$$eval("details", list => list.forEach(details => (details.open = true)));
			assert.deepEqual(await axe(page), []);
			await page.click("#hosts-data tbody .link");
			assert.deepEqual(await axe(page), []);
		});
	}
});

test("the letters of the verdicts have contrast", async () => {
	// axe-core leaves texts of one character to people.
	for (const scheme of ["light", "dark"]) {
		await withPage(small, {scheme}, async page => {
			const contrasts = await page.$$eval(".cell", list => {
				const light = color => {
					const [red, green, blue] = color.match(/[0-9.]+/g).slice(0, 3).map(part => part / 255)
						.map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
					return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
				};
				return [...new Map(list.map(cell => [cell.className, cell])).values()].map(cell => {
					const style = getComputedStyle(cell), [low, high] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
					return [cell.className, (high + 0.05) / (low + 0.05)];
				});
			});

			assert.ok(contrasts.length >= 7, JSON.stringify(contrasts));
			assert.deepEqual(contrasts.filter(([, contrast]) => contrast < 4.5), []);
		});
	}
});

test("axe-core finds nothing on 5,000 hosts", async () => {
	await withPage(await largePage(), {}, async page => {
		// The colours of 5,000 equal cells are those of a hundred.
		assert.deepEqual(await axe(page, {rules: {"color-contrast": {enabled: false}}}), []);
	});
});
