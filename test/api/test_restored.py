# SPDX-License-Identifier: Apache-2.0
"""Agents of a controller that has lost what it knew: who goes on, and who is told to end."""

import os
import shutil
import subprocess
import unittest

from agents import AgentCase, FakeAgent
from base import STORE, Refused
from case import main
from controller import PROGRAM, Controller


class LostStoreTest(AgentCase):
    """A controller that has forgotten a host is no reason to stop mirroring; that it was told to is."""

    options = ()

    def setUp(self):
        self.controller = Controller(store=STORE, options=self.options)
        self.addCleanup(self.controller.close)
        self.connect()
        super().setUp()

    def connect(self):
        self.context = self.controller.authority() if self.options else None
        self.admin = self.controller.client(context=self.context)
        self.addCleanup(self.admin.close)

    def client(self, credential=None, project=None):
        client = self.controller.client(credential, project=project or self.project, context=self.context)
        self.addCleanup(client.close)
        return client

    def program(self, *arguments):
        environment = {**os.environ, "VTAP_BACKUP_PASSPHRASE": "a good passphrase"}
        subprocess.run([PROGRAM, "--state-dir", self.controller.state_dir, *arguments], env=environment, check=True)

    def back_up(self):
        """From here on all is lost, once lose() is called; a store in memory is lost anyway, and has nothing then."""
        if STORE != "memory":
            self.program("--backup", os.path.join(self.controller.folder, "backup"))

    def lose(self):
        self.controller.stop()
        if STORE != "memory":
            shutil.rmtree(self.controller.state_dir)
            self.program("--restore", os.path.join(self.controller.folder, "backup"))
        self.controller.start()
        self.connect()

    def refusal(self, agent):
        with self.assertRaises(Refused) as refused:
            agent.poll()
        self.assertEqual(refused.exception.status, 401)
        return refused.exception.problem["type"]

    def test_hosts_that_joined_since(self):
        known, deleted, again = self.agent(), self.agent(), self.agent()
        self.admin.delete(f"/v1/hosts/{deleted.host}")
        self.back_up()
        new, again = self.agent(), self.agent(again.host)
        self.lose()
        for agent in (new, again):
            self.assertEqual(self.refusal(agent), "about:blank")
        if STORE != "memory":
            self.assertEqual(known.poll(), 200)
            self.assertEqual(self.refusal(deleted), "vtap:revoked")

    def test_what_was_ended_stays_so(self):
        """Over a start, too: an agent that was away then is told."""
        deleted, revoked = self.agent(), self.agent()
        self.admin.delete(f"/v1/hosts/{deleted.host}")
        for _ in range(2):
            self.admin.post(f"/v1/hosts/{revoked.host}/revoke")
        if STORE != "memory":
            self.controller.restart()
        for agent in (deleted, revoked):
            self.assertEqual(self.refusal(agent), "vtap:revoked")

    @unittest.skipIf(STORE == "memory", "it has no backups")
    def test_tokens_are_not_restored(self):
        """They may have been ended since, and their users deleted."""
        host = self.host()
        join = self.token(host)
        anonymous = self.controller.anonymous(context=self.context)
        self.addCleanup(anonymous.close)
        login = anonymous.post("/v1/login", {"user": "admin", "password": self.controller.password})["token"]
        self.assertEqual(self.client(login).request("GET", "/v1/whoami").status, 200)
        self.back_up()
        self.lose()
        self.assertEqual(self.client(login).request("GET", "/v1/whoami").status, 401)
        with self.assertRaises(Refused) as refused:
            FakeAgent(self.controller).join(join)
        self.assertEqual(refused.exception.problem["type"], "vtap:join-refused")
        self.assertEqual(self.agent(host).poll(), 200)

    def test_nobody_knows_it(self):
        stranger = FakeAgent(self.controller, "vtapagent-host-00000000000000000-" + "x" * 40)
        self.addCleanup(stranger.close)
        self.assertEqual(self.refusal(stranger), "about:blank")


@unittest.skipIf(STORE == "memory", "its authority is another one after each start")
class LostStoreTlsTest(LostStoreTest):
    options = ("--certificate", "auto")

    def test_nobody_knows_it(self):
        """It has a certificate of this authority: the log tells whose."""
        agent = self.agent()
        self.back_up()
        stranger = self.agent()
        self.lose()
        self.assertEqual(self.refusal(stranger), "about:blank")
        self.assertEqual(self.admin.all("/v1/audit")[-1]["host"], stranger.host)
        self.assertEqual(agent.poll(), 200)

    def test_hosts_that_joined_since(self):
        """The same authority, and certificates say when they were made: one of a host that joins again is good."""
        known, deleted, again = self.agent(), self.agent(), self.agent()
        self.admin.delete(f"/v1/hosts/{deleted.host}")
        self.back_up()
        self.renew_later(again)
        new, again = self.agent(), self.agent(again.host)
        self.lose()
        self.assertEqual(self.refusal(new), "about:blank")
        self.assertEqual(self.refusal(deleted), "vtap:revoked")
        self.assertEqual((known.poll(), again.poll()), (200, 200))

    def test_certificates_that_were_renewed_since(self):
        """The join before the backup has revoked what was older, and nothing that came after."""
        agent = self.agent()
        self.back_up()
        agent.use_certificate(self.renew_later(agent))
        self.lose()
        self.assertEqual(agent.poll(), 200)
        self.admin.post(f"/v1/hosts/{agent.host}/revoke")
        self.assertEqual(self.refusal(agent), "vtap:revoked")


main()
