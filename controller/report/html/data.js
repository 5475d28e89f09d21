// data.js: the report's data as columns (see report_html_data.c), and elements made of text alone.
const Data = (() => {
	const verdicts = [
		{name: "ready", title: "ready", letter: "R"}, {name: "in_use", title: "in use", letter: "U"},
		{name: "pending", title: "pending", letter: "P"}, {name: "blocked", title: "blocked", letter: "B"},
		{name: "unknown", title: "unknown", letter: "?"}, {name: "ignored", title: "ignored", letter: "–"},
	];
	// How bad a verdict is, for sorting: what an operator looks for comes first.
	const worst = [4, 3, 2, 0, 1, 5];

	function parse(id) {
		return JSON.parse(document.getElementById(id).textContent);
	}

	// A column of strings: `ids` name entries of `texts`, -1 none. One of numbers has no `texts`.
	function column(ids, texts) {
		return {ids, texts, text: row => (ids[row] < 0 ? "" : texts ? texts[ids[row]] : String(ids[row]))};
	}

	function load() {
		const raw = parse("tables-data"), hosts = {}, devices = {};
		const first = [0]; // of each host: its first device; one more at the end
		const hostOf = new Int32Array(raw.devices.address.length);

		for (const [name, ids] of Object.entries(raw.hosts))
			hosts[name] = column(ids, raw.strings[name]);
		raw.hosts.devices.forEach((count, host) => {
			hostOf.fill(host, first[host], first[host] + count);
			first.push(first[host] + count);
		});
		for (const [name, ids] of Object.entries(raw.devices))
			devices[name] = column(ids, raw.strings[name]);
		devices.host = column(hostOf.map(host => raw.hosts.name[host]), raw.strings.name);
		devices.domain = column(hostOf.map(host => raw.hosts.domain[host]), raw.strings.domain);
		hosts.verdict.texts = devices.verdict.texts = verdicts.map(verdict => verdict.title);
		hosts.verdict.order = devices.verdict.order = worst;
		addCounts(hosts, devices, first);
		return {hosts, devices, first, hostOf, hostCount: raw.hosts.name.length, deviceCount: hostOf.length};
	}

	// Columns of numbers that the devices give: how many of a host's GPUs have each verdict, and why not.
	function addCounts(hosts, devices, first) {
		const count = first.length - 1, lists = [], ids = new Int32Array(count).fill(-1), known = new Map();
		const gpus = new Int32Array(count), by = verdicts.map(() => new Int32Array(count));

		for (let host = 0; host < count; host++) {
			const reasons = new Set();

			for (let i = first[host]; i < first[host + 1]; i++) {
				if (!devices.primary.ids[i])
					continue;
				by[devices.verdict.ids[i]][host]++;
				gpus[host] += devices.verdict.ids[i] !== 5;
				if (devices.reasons.ids[i] >= 0)
					reasons.add(devices.reasons.ids[i]);
			}
			if (!reasons.size)
				continue;
			const all = new Set([...reasons].flatMap(id => devices.reasons.texts[id].split(" ")));
			const text = [...all].join(" ");
			if (!known.has(text))
				known.set(text, lists.push(text) - 1);
			ids[host] = known.get(text);
		}
		verdicts.forEach((verdict, i) => (hosts[`gpus_${verdict.name}`] = column(by[i])));
		hosts.gpus = column(gpus);
		hosts.reasons = column(ids, lists);
	}

	let details;
	// The checks of HOST that did not pass; `device`: its place among the host's, -1: about the host.
	function checks(host) {
		if (!details) {
			details = parse("details-data");
			details.first = [0];
			details.count.forEach((count, i) => details.first.push(details.first[i] + count));
		}
		const list = [];
		for (let i = details.first[host]; i < details.first[host + 1]; i++) {
			const check = {device: details.device[i]};

			for (const key of ["id", "status", "evidence", "cause", "fix"])
				check[key] = details[key][i] < 0 ? "" : details.strings[key][details[key][i]];
			list.push(check);
		}
		return list;
	}

	// An element with attributes and content: strings become text, never markup.
	function make(name, attributes = {}, ...content) {
		const element = document.createElement(name);

		for (const [key, value] of Object.entries(attributes)) {
			if (key.startsWith("on"))
				element.addEventListener(key.slice(2), value);
			else if (value !== false && value !== undefined)
				element.setAttribute(key, value === true ? "" : value);
		}
		element.append(...content);
		return element;
	}

	function sign(verdict) {
		const {name, title, letter} = verdicts[verdict];

		return [make("i", {class: `cell ${name}`, "aria-hidden": "true"}, letter), title];
	}

	return {verdicts, load, checks, make, sign};
})();
