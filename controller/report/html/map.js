// map.js: makes the map's cells operable: one tab stop for all, arrow keys from cell to cell, Enter for
// what is known of the host.
const FleetMap = (() => {
	function start(place, show) {
		const cells = [...place.querySelectorAll(".cells .cell")];
		let current = 0;

		if (!cells.length)
			return;
		for (const group of place.querySelectorAll(".cells"))
			group.removeAttribute("aria-hidden");
		for (const cell of cells) {
			cell.setAttribute("role", "button");
			cell.setAttribute("aria-label", cell.title);
			cell.tabIndex = -1;
		}
		cells[0].tabIndex = 0;

		function moveTo(next) {
			cells[current].tabIndex = -1;
			current = Math.min(Math.max(0, next), cells.length - 1);
			cells[current].tabIndex = 0;
			cells[current].focus();
		}

		// The next cell up or down whose middle is nearest to this one's.
		function vertical(step) {
			const box = cells[current].getBoundingClientRect();
			let best = current, distance = Infinity, row = null;

			for (let i = current + step; i >= 0 && i < cells.length; i += step) {
				const other = cells[i].getBoundingClientRect();

				if (Math.abs(other.top - box.top) < 2)
					continue;
				if (row !== null && Math.abs(other.top - row) > 2)
					break;
				row = other.top;
				if (Math.abs(other.left - box.left) < distance) {
					distance = Math.abs(other.left - box.left);
					best = i;
				}
			}
			return best;
		}

		place.addEventListener("click", event => {
			const cell = event.target.closest(".cells .cell");

			if (!cell)
				return;
			moveTo(cells.indexOf(cell));
			show(Number(cell.dataset.host));
		});
		place.addEventListener("keydown", event => {
			const moves = {ArrowRight: () => current + 1, ArrowLeft: () => current - 1, ArrowDown: () => vertical(1),
				ArrowUp: () => vertical(-1), Home: () => 0, End: () => cells.length - 1};

			if (!event.target.matches(".cells .cell"))
				return;
			if (event.key === "Enter" || event.key === " ") {
				event.preventDefault();
				show(Number(event.target.dataset.host));
			} else if (moves[event.key]) {
				event.preventDefault();
				moveTo(moves[event.key]());
			}
		});
	}

	return {start};
})();
