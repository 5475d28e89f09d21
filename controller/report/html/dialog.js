// dialog.js: one host, or one of its devices, with every check that did not pass. The browser keeps the
// focus inside and gives it back.
const Dialog = (() => {
	const {make, sign, checks} = Data;

	function facts(pairs) {
		return make("dl", {class: "facts"}, ...pairs.filter(([, value]) => value.length)
			.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, ...value)]));
	}

	// TEXT with what stands between backticks as code.
	function prose(text) {
		return text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));
	}

	function checkItem(data, host, check) {
		const about = check.device < 0 ? "" : data.devices.address.text(data.first[host] + check.device);

		return make("li", {},
			make("p", {}, make("strong", {}, check.status), " ", make("code", {}, check.id), about && " ", about && make("code", {}, about)),
			check.cause && make("p", {}, ...prose(check.cause)),
			make("p", {}, "Seen: ", ...prose(check.evidence)),
			check.fix && make("p", {}, "Fix: ", ...prose(check.fix)));
	}

	function checkList(data, host, list) {
		return list.length ? make("ul", {}, ...list.map(check => checkItem(data, host, check))) :
			make("p", {}, "All checks passed.");
	}

	function open(title, ...content) {
		const dialog = document.getElementById("detail");

		dialog.replaceChildren(make("div", {class: "detail"},
			make("header", {}, make("h2", {id: "detail-title"}, title), make("button", {type: "button", onclick: () => dialog.close()}, "Close")),
			...content));
		dialog.showModal();
		dialog.scrollTop = 0;
	}

	function host(data, row) {
		const {hosts, devices, first} = data, list = [];

		for (let i = first[row]; i < first[row + 1]; i++)
			list.push(make("li", {}, ...sign(devices.verdict.ids[i]), " ", make("code", {}, devices.address.text(i)), ` ${devices.model.text(i)}`));
		open(hosts.name.text(row),
			facts([
				["verdict", sign(hosts.verdict.ids[row])],
				["domain", hosts.domain.text(row)],
				["observed", hosts.observed.text(row) || "never"],
				["last run", hosts.reachable.ids[row] ? "reached" : "not reached"],
			].map(([name, value]) => [name, Array.isArray(value) ? value : value ? [value] : []])),
			make("h3", {}, "Checks that did not pass"), checkList(data, row, checks(row)),
			make("h3", {}, "Devices"), list.length ? make("ul", {}, ...list) : make("p", {}, "None was seen."));
	}

	function device(data, row) {
		const {devices, first, hostOf} = data, on = hostOf[row], place = row - first[on];
		const list = checks(on).filter(check => check.device === place || check.device < 0);
		const text = key => (devices[key].text(row) ? [devices[key].text(row)] : []);

		open(`${devices.host.text(row)} ${devices.address.text(row)}`,
			facts([
				["verdict", sign(devices.verdict.ids[row])], ["model", text("model")], ["alias", text("alias")],
				["driver", text("driver")], ["IOMMU group", text("group")], ["NUMA node", text("numa")],
			]),
			make("h3", {}, "Checks that did not pass"), checkList(data, on, list));
	}

	return {host, device};
})();
