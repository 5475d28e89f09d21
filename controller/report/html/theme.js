// theme.js: the button that goes from the system's choice to light to dark. Where a browser keeps nothing
// for files, the choice is forgotten with the page.
const Theme = (() => {
	const choices = ["automatic", "light", "dark"];
	const key = "gpufleet-theme";

	function read() {
		try {
			return choices.includes(localStorage.getItem(key)) ? localStorage.getItem(key) : "automatic";
		} catch {
			return "automatic";
		}
	}

	function show(button, choice) {
		if (choice === "automatic")
			delete document.documentElement.dataset.theme;
		else
			document.documentElement.dataset.theme = choice;
		button.textContent = `Theme: ${choice}`;
	}

	function start(button) {
		let choice = read();

		show(button, choice);
		button.hidden = false;
		button.addEventListener("click", () => {
			choice = choices[(choices.indexOf(choice) + 1) % choices.length];
			show(button, choice);
			try {
				localStorage.setItem(key, choice);
			} catch {
				// As good as it gets.
			}
		});
	}

	return {start};
})();
