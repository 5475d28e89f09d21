# Writes OUTPUT, the C source of launch_script[], place_script[] and launch_arch[], from launch.sh and place.sh in FOLDER,
# and ARCH.

# BYTES: FILE as it is sent, as the elements of an array.
function(script_bytes file bytes)
	file(READ ${file} text)
	# Neither comments nor what a line is indented by need travel to every host.
	string(REGEX REPLACE "\n[\t ]*#[^\n]*" "" text "\n${text}")
	string(REGEX REPLACE "\n[\t\n]*" "\n" text "${text}")
	string(REGEX REPLACE "^\n|\n$" "" text "${text}")
	# ";" and "[" would be list syntax to CMake: bytes are safe.
	string(HEX "${text}" hex)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," text "${hex}")
	string(REGEX REPLACE "((0x..,){16})" "\\1\n\t" text "${text}")
	set(${bytes} "${text}" PARENT_SCOPE)
endfunction()

script_bytes(${FOLDER}/launch.sh launch)
script_bytes(${FOLDER}/place.sh place)
file(WRITE ${OUTPUT} "/* Made from launch.sh and place.sh. */
#include \"node-agent/launch_script.h\"

const char launch_script[] = {
\t${launch}0};

const char place_script[] = {
\t${place}0};

const char launch_arch[] = \"${ARCH}\";
")
