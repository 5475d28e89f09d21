# Writes OUTPUT, the C source of the page, its style and its script, from the files in INPUT. The script is
# the named files one after the other: as one it has one hash in the page's Content-Security-Policy.
function(embed name text)
	# ";" and "[" would be list syntax to CMake: bytes are safe.
	string(HEX "${text}" hex)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "((0x..,){16})" "\\1\n\t" bytes "${bytes}")
	file(APPEND ${OUTPUT} "\nconst char ${name}[] = {\n\t${bytes}0};\n")
endfunction()

file(READ ${INPUT}/report.html page)
file(READ ${INPUT}/report.css style)
set(script "\"use strict\";\n")
foreach(part theme data table dialog map report)
	file(READ ${INPUT}/${part}.js text)
	string(APPEND script "${text}")
endforeach()
file(WRITE ${OUTPUT} "/* Made from controller/report/html/. */
#include \"controller/report/report_html_parts.h\"
")
embed(report_html_page "${page}")
embed(report_html_style "${style}")
embed(report_html_script "${script}")
