/* launch_script.h: the launch script as constants, for the controller to send.
 *
 * Every session sends launch_script, as
 *	sh -c 'SCRIPT' gpufleet HASH SIZE ARCH PLACE_SIZE
 * which is to stay below LAUNCH_LIMIT. It holds no single quote. A host without the agent asks for
 * place_script, of PLACE_SIZE bytes.
 */
#ifndef GPUFLEET_LAUNCH_SCRIPT_H
#define GPUFLEET_LAUNCH_SCRIPT_H

/* Of the whole command, sudo's words included. libssh keeps two buffers a session of the power of
 * two above the longest packet that was sent: 4 kB, and what a packet has beside the command. */
#define LAUNCH_LIMIT 4000

extern const char launch_script[]; /* launch.sh: starts the agent that is there */
extern const char place_script[];  /* place.sh: puts it there */

/* What the bundle was built for, as `uname -m` names it. */
extern const char launch_arch[];

#endif
