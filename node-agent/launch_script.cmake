# Writes OUTPUT, the C source of launch_script[] and launch_arch[], from INPUT and ARCH.
file(READ ${INPUT} text)
# Comments need not travel to every host. ";" and "[" would be list syntax to CMake: bytes are safe.
string(REGEX REPLACE "\n[\t ]*#[^\n]*" "" text "${text}")
string(HEX "${text}" hex)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,){16})" "\\1\n\t" bytes "${bytes}")
file(WRITE ${OUTPUT} "/* Made from launch.sh. */
#include \"node-agent/launch_script.h\"

const char launch_script[] = {
\t${bytes}0};

const char launch_arch[] = \"${ARCH}\";
")
