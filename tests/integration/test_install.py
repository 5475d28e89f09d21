"""What is installed is enough, wherever it is moved to: the program finds its agent and its playbooks."""

import os
import shutil
import subprocess

from harness import BUILD, SOURCE, Case, main, temporary_directory

INSTALLED = ["bin/gpufleet", "libexec/gpufleet/gpufleet-agent.tar.gz", "share/gpufleet/playbooks/gpu-passthrough.json",
             "share/gpufleet/inventory.schema.json", "share/gpufleet/report.schema.json", "share/man/man1/gpufleet.1"]


class Install(Case):
    def directory(self):
        path = temporary_directory()
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def install(self, prefix, destdir=""):
        environment = dict(os.environ, DESTDIR=destdir)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, env=environment, stdout=subprocess.DEVNULL)
        for path in INSTALLED:
            self.assertTrue(os.path.exists(destdir + os.path.join(prefix, path)), path)

    def works(self, program):
        """check needs the playbooks, plan the agent, too."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}])
        fleet.program = program
        self.expect(fleet.run("check"), 0)
        self.assertIn("vfio-pci", self.expect(fleet.run("plan"), 2).out)

    def test_prefix_that_is_moved(self):
        directory = self.directory()
        self.install(os.path.join(directory, "first"))
        os.rename(os.path.join(directory, "first"), os.path.join(directory, "second"))
        self.works(os.path.join(directory, "second/bin/gpufleet"))

    def test_staged_package(self):
        directory = self.directory()
        self.install("/opt/gpufleet", directory)
        self.works(directory + "/opt/gpufleet/bin/gpufleet")

    def test_copied_tree(self):
        directory = self.directory()
        build = os.path.join(directory, "build/release")
        os.makedirs(build)
        shutil.copytree(os.path.join(SOURCE, "playbooks"), os.path.join(directory, "playbooks"))
        for name in ("gpufleet", "gpufleet-agent.tar.gz", "gpufleet-agent.hash"):
            shutil.copy2(os.path.join(BUILD, name), build)
        self.works(os.path.join(build, "gpufleet"))

    def test_program_alone_says_what_is_missing(self):
        directory = self.directory()
        shutil.copy2(os.path.join(BUILD, "gpufleet"), directory)
        fleet = self.fleet([{"name": "gpu01", "kind": "control"}])
        fleet.program = os.path.join(directory, "gpufleet")
        if os.path.exists("/usr/local/share/gpufleet/playbooks"):
            self.skipTest("gpufleet is installed here")
        self.assertIn("install gpufleet as a whole", self.expect(fleet.run("check"), 1).err)
        self.assertIn("install gpufleet as a whole", self.expect(fleet.run("scan"), 1).err)


if __name__ == "__main__":
    main()
