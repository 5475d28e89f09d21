// report.js: puts the page's parts together. What C wrote can be read without any of it.
(() => {
	const {make, sign} = Data;

	// Each reason in full, separated so that a line may break between two.
	function reasons(column, row) {
		return column.text(row).split(" ").filter(Boolean).flatMap((id, i) => [i ? ", " : "", make("code", {}, id)]);
	}

	function verdict(column) {
		return row => sign(column.ids[row]);
	}

	function link(column, show) {
		return row => [make("button", {type: "button", class: "link", onclick: () => show(row)}, column.text(row))];
	}

	function hostTable(data) {
		const {hosts} = data;
		const domains = hosts.domain.texts.length > 0;
		// The eye is to find what is not zero.
		const count = (label, key) => ({key, label, data: hosts[key], number: true,
			cell: row => [make("span", {class: hosts[key].ids[row] === 0 && "zero"}, hosts[key].text(row))]});

		return Table.create(document.getElementById("hosts-table"), {
			id: "hosts-data", noun: "host", caption: "Table of hosts", rows: data.hostCount,
			columns: [
				{key: "host", label: "Host", data: hosts.name, cell: link(hosts.name, row => Dialog.host(data, row))},
				...(domains ? [{key: "domain", label: "Domain", data: hosts.domain}] : []),
				{key: "verdict", label: "Verdict", data: hosts.verdict, class: "v", cell: verdict(hosts.verdict)},
				count("GPUs", "gpus"), count("Ready", "gpus_ready"), count("In use", "gpus_in_use"),
				count("Pending", "gpus_pending"), count("Blocked", "gpus_blocked"), count("Unknown", "gpus_unknown"),
				{key: "reasons", label: "Reasons", data: hosts.reasons, class: "wrap", cell: row => reasons(hosts.reasons, row)},
			],
			selects: [{key: "verdict", label: "Verdict", data: hosts.verdict}, {key: "domain", label: "Domain", data: hosts.domain}],
		});
	}

	function deviceTable(data) {
		const {devices} = data;

		return Table.create(document.getElementById("devices-table"), {
			id: "devices-data", noun: "device", caption: "Table of devices", rows: data.deviceCount,
			columns: [
				{key: "host", label: "Host", data: devices.host},
				{key: "address", label: "Address", data: devices.address, cell: link(devices.address, row => Dialog.device(data, row))},
				{key: "verdict", label: "Verdict", data: devices.verdict, class: "v", cell: verdict(devices.verdict)},
				{key: "model", label: "Model", data: devices.model, class: "long", cell: row => [make("span", {title: devices.model.text(row)}, devices.model.text(row))]},
				{key: "driver", label: "Driver", data: devices.driver},
				{key: "group", label: "Group", data: devices.group, number: true},
				{key: "numa", label: "NUMA", data: devices.numa, number: true},
				{key: "alias", label: "Alias", data: devices.alias},
				{key: "reasons", label: "Reasons", data: devices.reasons, class: "wrap", cell: row => reasons(devices.reasons, row)},
			],
			selects: [
				{key: "verdict", label: "Verdict", data: devices.verdict}, {key: "alias", label: "Alias", data: devices.alias},
				{key: "model", label: "Model", data: devices.model}, {key: "domain", label: "Domain", data: devices.domain},
			],
			check: {label: "also the cards' other functions (audio, USB)", test: row => !devices.primary.ids[row]},
		});
	}

	// From a problem to the devices that have it.
	function problemButtons(table) {
		for (const scope of document.querySelectorAll(".problem:not(.w-warns) .scope")) {
			const id = scope.querySelector(".check").textContent;

			if (scope.querySelector("b"))
				scope.append(make("button", {type: "button", onclick: () => table.find(`reasons:${id}`)}, "Show devices"));
		}
	}

	Theme.start(document.getElementById("theme"));
	const data = Data.load();
	hostTable(data);
	problemButtons(deviceTable(data));
	FleetMap.start(document.querySelector(".domains"), row => Dialog.host(data, row));
	document.documentElement.dataset.state = "done";
})();
