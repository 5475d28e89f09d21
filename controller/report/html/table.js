// table.js: a table over columns that sorts, filters and turns pages. Only the rows of one page are in
// the document, so that 40,000 are as quick as 40; each of them can be reached.
const Table = (() => {
	const {make} = Data;
	const pageSize = 50;

	// For every row a number that sorts as its text does; none comes last, in both directions.
	function ranks(column) {
		if (column.ranks)
			return column.ranks;
		let rank = null;
		if (column.order) {
			rank = column.order;
		} else if (column.texts) {
			const collator = new Intl.Collator("en", {numeric: true});
			const order = column.texts.map((_, i) => i).sort((a, b) => collator.compare(column.texts[a], column.texts[b]));

			rank = new Int32Array(order.length);
			order.forEach((id, place) => (rank[id] = place));
		}
		column.ranks = Int32Array.from(column.ids, id => (id < 0 ? -1 : rank ? rank[id] : id));
		return column.ranks;
	}

	function sorted(rows, column, descending) {
		const rank = ranks(column), sign = descending ? -1 : 1;

		return rows.sort((a, b) => {
			if (rank[a] === rank[b])
				return a - b;
			if (rank[a] < 0 || rank[b] < 0)
				return rank[a] < 0 ? 1 : -1;
			return sign * (rank[a] - rank[b]);
		});
	}

	// Which of a column's texts hold WORD: asked once a text, not once a row.
	function textsWith(column, word) {
		column.lower ??= column.texts.map(text => text.toLowerCase());
		return column.lower.map(text => text.includes(word));
	}

	// What one word of the search wants: KEY:WORD looks in one column (numbers are equal or not), any
	// other word in all columns of text.
	function wordTest(columns, word) {
		const colon = word.indexOf(":"), key = colon > 0 && word.slice(0, colon);
		const named = key && columns.find(column => column.key === key || column.label.toLowerCase() === key);

		if (named && !named.data.texts)
			return row => String(named.data.ids[row]) === word.slice(colon + 1);
		const wanted = named ? word.slice(colon + 1) : word;
		const masks = (named ? [named] : columns.filter(column => column.data.texts))
			.map(({data}) => ({ids: data.ids, hit: textsWith(data, wanted)}));
		return row => masks.some(mask => mask.ids[row] >= 0 && mask.hit[mask.ids[row]]);
	}

	// OPTIONS: {id, noun, caption, rows (how many), columns: [{key, label, data, number, cell(row)}],
	// selects: [{key, label, data}], check: {label, test(row)} (rows that are shown only when ticked)}
	function create(place, options) {
		const state = {words: "", selects: new Map(), checked: false, sort: null, descending: false, page: 0, rows: []};
		const count = make("p", {class: "count", role: "status"});
		const body = make("tbody");
		const pageInput = make("input", {type: "number", min: 1, "aria-label": `Page of ${options.noun}s`, onchange: () => turnTo(pageInput.value - 1)});
		const pageCount = make("span");
		const search = make("input", {type: "search", id: `${options.id}-search`, autocomplete: "off", spellcheck: "false", oninput: () => later()});
		const buttons = {};
		const heads = options.columns.map(column => make("th", {scope: "col", class: column.number && "number", "aria-sort": "none"},
			make("button", {type: "button", onclick: () => sortBy(column)}, column.label)));
		const controls = make("div", {class: "controls", role: "search", "aria-label": `Filter ${options.noun}s`},
			make("label", {}, "Search ", search));
		let timer = 0;

		function later() {
			clearTimeout(timer);
			timer = setTimeout(() => {
				state.words = search.value;
				update();
			}, 120);
		}

		function sortBy(column) {
			state.descending = state.sort === column && !state.descending;
			state.sort = column;
			heads.forEach((head, i) => head.setAttribute("aria-sort", options.columns[i] !== column ? "none" : state.descending ? "descending" : "ascending"));
			update();
		}

		function update() {
			const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
			const tests = words.map(word => wordTest(options.columns, word));

			for (const {data, id} of state.selects.values())
				tests.push(row => data.ids[row] === id);
			if (options.check && !state.checked)
				tests.push(row => !options.check.test(row));
			state.rows = [];
			for (let row = 0; row < options.rows; row++) {
				if (tests.every(test => test(row)))
					state.rows.push(row);
			}
			if (state.sort)
				sorted(state.rows, state.sort.data, state.descending);
			state.page = 0;
			draw();
		}

		function pages() {
			return Math.max(1, Math.ceil(state.rows.length / pageSize));
		}

		function turnTo(page) {
			state.page = Math.min(Math.max(0, Math.trunc(page) || 0), pages() - 1);
			draw();
		}

		function draw() {
			const from = state.page * pageSize, rows = state.rows.slice(from, from + pageSize);
			const number = value => value.toLocaleString("en");

			body.replaceChildren(...rows.map(row => make("tr", {}, ...options.columns.map((column, i) => {
				const content = column.cell ? column.cell(row) : [column.data.text(row)];

				return make(i ? "td" : "th", {scope: !i && "row", class: column.number ? "number" : column.class || false}, ...content);
			}))));
			count.textContent = !rows.length ? `No ${options.noun} of ${number(options.rows)} matches.` :
				`${number(from + 1)}–${number(from + rows.length)} of ${number(state.rows.length)} ${options.noun}s` +
				(state.rows.length < options.rows ? `, ${number(options.rows)} in all` : "");
			pageInput.value = state.page + 1;
			pageInput.max = pages();
			pageCount.textContent = `of ${number(pages())}`;
			buttons.First.disabled = buttons.Previous.disabled = state.page === 0;
			buttons.Next.disabled = buttons.Last.disabled = state.page === pages() - 1;
		}

		function addSelect({key, label, data}) {
			const used = new Set(data.ids);
			const texts = data.texts.map((text, id) => ({text, id})).filter(({id}) => used.has(id));

			if (texts.length < 2)
				return;
			texts.sort((a, b) => a.text.localeCompare(b.text, "en", {numeric: true}));
			const select = make("select", {id: `${options.id}-${key}`, onchange: () => {
				if (select.value === "")
					state.selects.delete(key);
				else
					state.selects.set(key, {data, id: Number(select.value)});
				update();
			}}, make("option", {value: ""}, "all"), ...texts.map(({text, id}) => make("option", {value: id}, text)));
			controls.append(make("label", {}, `${label} `, select));
		}

		(options.selects || []).forEach(addSelect);
		if (options.check) {
			const box = make("input", {type: "checkbox", id: `${options.id}-all`, onchange: () => {
				state.checked = box.checked;
				update();
			}});
			controls.append(make("label", {class: "check"}, box, options.check.label));
		}
		const pager = make("nav", {class: "pager", "aria-label": `Pages of ${options.noun}s`});
		for (const [name, target] of [["First", () => 0], ["Previous", () => state.page - 1], ["Next", () => state.page + 1], ["Last", () => pages() - 1]])
			buttons[name] = make("button", {type: "button", onclick: () => turnTo(target())}, name);
		pager.append(buttons.First, buttons.Previous, make("span", {}, "Page"), pageInput, pageCount, buttons.Next, buttons.Last);
		place.replaceChildren(controls, count,
			make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": options.caption},
				make("table", {class: "data", id: options.id}, make("caption", {class: "hidden"}, options.caption),
					make("thead", {}, make("tr", {}, ...heads)), body)),
			pager);
		update();

		// Shows what matches WORDS alone, and goes there.
		function find(words) {
			search.value = state.words = words;
			for (const select of controls.querySelectorAll("select"))
				select.value = "";
			state.selects.clear();
			update();
			search.focus();
			place.scrollIntoView({block: "start"});
		}

		return {find};
	}

	return {create};
})();
