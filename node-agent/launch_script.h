/* launch_script.h: launch.sh as a constant, for the controller to send as
 * sh -c 'SCRIPT' gpufleet HASH SIZE ARCH. It holds no single quote.
 */
#ifndef GPUFLEET_LAUNCH_SCRIPT_H
#define GPUFLEET_LAUNCH_SCRIPT_H

extern const char launch_script[];

/* What the bundle was built for, as `uname -m` names it. */
extern const char launch_arch[];

#endif
