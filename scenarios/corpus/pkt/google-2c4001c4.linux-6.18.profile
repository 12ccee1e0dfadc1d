# What is expected of google/packetdrill's scripts at commit 2c4001c4: `fivetuple pkt --profile FILE` compares.
# Linux 6.18, without sch_fq
# made with --target=linux --tolerance_usecs=14000 -D CODE=host_unreachable -D TFO_COOKIE=3021b9d889017eeb
diverges    packetdrill/tests/bsd/fast_retransmit/fr-4pkt-sack-bsd.pkt:25  # a script about BSD, which sends one segment where Linux sends two
pass        packetdrill/tests/linux/fast_retransmit/fr-4pkt-sack-linux.pkt
diverges    packetdrill/tests/linux/packetdrill/socket_err.pkt:6  # a self-test that has to fail: it asks for a socket that cannot be
diverges    packetdrill/tests/linux/packetdrill/socket_wrong_err.pkt:4  # a self-test that has to fail: it expects an errno that does not exist
diverges    packetdrill/tests/packet-timeout.pkt:13  # a self-test that has to fail; it gets here because Linux's first SYN timeouts are a second each (tcp_syn_linear_timeouts)
unsupported psp/psp-basic.pkt:3
unsupported psp/psp-ofo-bad-fin.pkt:4
unsupported psp/psp-ofo-ok.pkt:3
unsupported psp/psp-ofo.pkt:3
unsupported psp/psp-retransmit-cleartext-after-upgrade.pkt:4
unsupported psp/psp-rx-rcv-clear-or-cipher.pkt:4
unsupported psp/psp-tw-rtx-ack.pkt:3
unsupported psp/psp-tx-accept-fin.pkt:3
unsupported psp/psp-tx-drop-plaintext-data.pkt:3
unsupported psp/psp-tx-key-retry.pkt:4
pass        tcp/blocking/blocking-accept.pkt
pass        tcp/blocking/blocking-connect.pkt
pass        tcp/blocking/blocking-read.pkt
pass        tcp/blocking/blocking-write.pkt
pass        tcp/close/close-local-close-then-remote-fin.pkt
pass        tcp/close/close-on-syn-sent.pkt
pass        tcp/close/close-remote-fin-then-close.pkt
unsupported tcp/cubic/cubic-bulk-166k-idle-restart.pkt:11
unsupported tcp/cubic/cubic-bulk-166k.pkt:12
pass        tcp/cubic/cubic-hystart-delay-min-rtt-jumps-downward.pkt
pass        tcp/cubic/cubic-hystart-delay-rtt-jumps-upward.pkt
pass        tcp/cubic/cubic-rack-reo-timeout-retrans-failed-incoming-data.pkt
pass        tcp/cubic/cubic-rto-ss-ca-cwnd-bump.pkt
pass        tcp/cwnd_moderation/cwnd-moderation-disorder-no-moderation.pkt
diverges    tcp/cwnd_moderation/cwnd-moderation-ecn-enter-cwr-no-moderation-700.pkt:32  # the kernel has changed since: its congestion window is 5 here, not 4
pass        tcp/ecn/ecn-uses-ect0.pkt
pass        tcp/eor/no-coalesce-large.pkt
pass        tcp/eor/no-coalesce-retrans.pkt
pass        tcp/eor/no-coalesce-small.pkt
pass        tcp/eor/no-coalesce-subsequent.pkt
pass        tcp/epoll/epoll_in_edge.pkt
diverges    tcp/epoll/epoll_out_edge.pkt:40  # the kernel has changed since: it sends 20000 bytes here, in two packets, not 16000
diverges    tcp/epoll/epoll_out_edge_default_notsent_lowat.pkt:41  # the kernel has changed since: it sends 20000 bytes here, in two packets, not 16000
diverges    tcp/epoll/epoll_out_edge_notsent_lowat.pkt:40  # the kernel has changed since: it sends 20000 bytes here, in two packets, not 16000
pass        tcp/fast_recovery/prr-ss-10pkt-lost-1.pkt
pass        tcp/fast_recovery/prr-ss-30pkt-lost-1_4-11_16.pkt
pass        tcp/fast_recovery/prr-ss-30pkt-lost1_4.pkt
pass        tcp/fast_recovery/prr-ss-ack-below-snd_una-cubic.pkt
pass        tcp/fast_retransmit/fr-4pkt-fack-last-byte.pkt
pass        tcp/fast_retransmit/fr-4pkt-fack-last-mss.pkt
pass        tcp/fast_retransmit/fr-4pkt-sack.pkt
pass        tcp/fast_retransmit/fr-4pkt.pkt
pass        tcp/fastopen/client/blocking-connect-bypass-errno.pkt
pass        tcp/fastopen/client/blocking-connect-bypass.pkt
pass        tcp/fastopen/client/blocking-sendmsg-multi-iov.pkt
pass        tcp/fastopen/client/blocking-sendto-errnos.pkt
pass        tcp/fastopen/client/blocking-sendto.pkt
pass        tcp/fastopen/client/cookie-less-sendto.pkt
pass        tcp/fastopen/client/cookie-req-timeout.pkt
pass        tcp/fastopen/client/fallback-exp-opt.pkt
pass        tcp/fastopen/client/fastopen-connect-keepalive.pkt
pass        tcp/fastopen/client/nonblocking-connect-bypass-errno.pkt
pass        tcp/fastopen/client/nonblocking-connect-bypass.pkt
pass        tcp/fastopen/client/nonblocking-sendmsg-multi-iov.pkt
pass        tcp/fastopen/client/nonblocking-sendto-empty-buf.pkt
pass        tcp/fastopen/client/nonblocking-sendto-errnos.pkt
pass        tcp/fastopen/client/nonblocking-sendto-over-mss.pkt
pass        tcp/fastopen/client/nonblocking-sendto.pkt
pass        tcp/fastopen/client/poll.pkt
pass        tcp/fastopen/client/sendto-af-unspec.pkt
pass        tcp/fastopen/client/simultaneous-fast-open.pkt
diverges    tcp/fastopen/client/syn-data-icmp-unreach-frag-needed-with-seq-ipv6.pkt:13  # for IPv6 and an MTU of 1500, which it does not say: --ip_version=ipv6 --mtu=1500
pass        tcp/fastopen/client/syn-data-icmp-unreach-frag-needed-with-seq.pkt
pass        tcp/fastopen/client/syn-data-icmp-unreach-frag-needed.pkt
pass        tcp/fastopen/client/syn-data-mss.pkt
pass        tcp/fastopen/client/syn-data-only-syn-acked.pkt
pass        tcp/fastopen/client/syn-data-partial-or-over-ack.pkt
pass        tcp/fastopen/client/syn-data-rtt-from-syn-data.pkt
pass        tcp/fastopen/client/syn-data-timeout.pkt
pass        tcp/fastopen/client/synack-data.pkt
pass        tcp/fastopen/client/valid-cookie-format.pkt
pass        tcp/fastopen/server/basic-cookie-not-reqd.pkt
pass        tcp/fastopen/server/basic-non-tfo-listener.pkt
pass        tcp/fastopen/server/basic-rw.pkt
pass        tcp/fastopen/server/basic-zero-payload.pkt
diverges    tcp/fastopen/server/client-ack-dropped-then-recovery-ms-timestamps.pkt:33  # the kernel has changed since: it offers another window here
pass        tcp/fastopen/server/fin-close-socket.pkt
pass        tcp/fastopen/server/icmp-baseline.pkt
pass        tcp/fastopen/server/icmp-before-accept.pkt
pass        tcp/fastopen/server/listener-closed-trigger-rst.pkt
pass        tcp/fastopen/server/opt34/basic-cookie-not-reqd.pkt
pass        tcp/fastopen/server/opt34/basic-non-tfo-listener.pkt
pass        tcp/fastopen/server/opt34/basic-rw.pkt
pass        tcp/fastopen/server/opt34/basic-zero-payload.pkt
pass        tcp/fastopen/server/opt34/fin-close-socket.pkt
pass        tcp/fastopen/server/opt34/icmp-before-accept.pkt
pass        tcp/fastopen/server/opt34/listener-closed-trigger-rst.pkt
pass        tcp/fastopen/server/opt34/pure-syn-data.pkt
pass        tcp/fastopen/server/opt34/reset-after-accept.pkt
pass        tcp/fastopen/server/opt34/reset-before-accept.pkt
pass        tcp/fastopen/server/opt34/reset-close-with-unread-data.pkt
pass        tcp/fastopen/server/opt34/reset-non-tfo-socket.pkt
pass        tcp/fastopen/server/opt34/simple1.pkt
pass        tcp/fastopen/server/opt34/simple2.pkt
pass        tcp/fastopen/server/opt34/simple3.pkt
pass        tcp/fastopen/server/opt34/unread-data-closed-trigger-rst.pkt
pass        tcp/fastopen/server/pure-syn-data.pkt
pass        tcp/fastopen/server/reset-after-accept.pkt
pass        tcp/fastopen/server/reset-before-accept.pkt
pass        tcp/fastopen/server/reset-close-with-unread-data.pkt
pass        tcp/fastopen/server/reset-non-tfo-socket.pkt
pass        tcp/fastopen/server/simple1.pkt
pass        tcp/fastopen/server/simple2.pkt
pass        tcp/fastopen/server/simple3.pkt
pass        tcp/fastopen/server/sockopt-fastopen-key.pkt
pass        tcp/fastopen/server/unread-data-closed-trigger-rst.pkt
diverges    tcp/gro/gro-mss-option.pkt:20  # the kernel has changed since: it does not take the segment that is longer than the MSS, from packetdrill either
pass        tcp/inq/client.pkt
pass        tcp/inq/server.pkt
diverges    tcp/ioctl/ioctl-siocinq-fin.pkt:28  # the kernel has changed since: it delays the ACK of data that comes with a FIN
pass        tcp/limited_transmit/limited-transmit-no-sack.pkt
pass        tcp/limited_transmit/limited-transmit-sack.pkt
pass        tcp/md5/md5-only-on-client-ack.pkt
pass        tcp/mss/mss-getsockopt-tcp_maxseg-server.pkt
pass        tcp/mss/mss-setsockopt-tcp_maxseg-client.pkt
pass        tcp/mss/mss-setsockopt-tcp_maxseg-server.pkt
pass        tcp/mtu_probe/basic-v4.pkt
pass        tcp/mtu_probe/basic-v6.pkt
pass        tcp/nagle/https_client.pkt
pass        tcp/nagle/sendmsg_msg_more.pkt
pass        tcp/nagle/sockopt_cork_nodelay.pkt
diverges    tcp/notsent_lowat/notsent-lowat-default.pkt:28  # the kernel has changed since: it sends 20000 bytes here, in two packets, not 16000
pass        tcp/notsent_lowat/notsent-lowat-setsockopt.pkt
pass        tcp/notsent_lowat/notsent-lowat-sysctl.pkt
pass        tcp/sack/sack-route-refresh-ip-tos.pkt
pass        tcp/sack/sack-shift-sacked-2-6-8-3-9-nofack.pkt
pass        tcp/sack/sack-shift-sacked-7-3-4-8-9-fack.pkt
pass        tcp/sack/sack-shift-sacked-7-5-6-8-9-fack.pkt
pass        tcp/sendfile/sendfile-simple.pkt
pass        tcp/shutdown/shutdown-rd-close.pkt
pass        tcp/shutdown/shutdown-rd-wr-close.pkt
pass        tcp/shutdown/shutdown-rdwr-close.pkt
pass        tcp/shutdown/shutdown-rdwr-send-queue-ack-close.pkt
diverges    tcp/shutdown/shutdown-rdwr-write-queue-close.pkt:25  # the kernel has changed since: a FIN that the congestion window holds back leaves with the loss probe
pass        tcp/shutdown/shutdown-wr-close.pkt
pass        tcp/slow_start/slow-start-ack-per-1pkt.pkt
pass        tcp/slow_start/slow-start-ack-per-2pkt-send-5pkt.pkt
pass        tcp/slow_start/slow-start-ack-per-2pkt-send-6pkt.pkt
pass        tcp/slow_start/slow-start-ack-per-2pkt.pkt
pass        tcp/slow_start/slow-start-ack-per-4pkt.pkt
pass        tcp/slow_start/slow-start-after-idle.pkt
pass        tcp/slow_start/slow-start-after-win-update.pkt
pass        tcp/slow_start/slow-start-app-limited-9-packets-out.pkt
pass        tcp/slow_start/slow-start-app-limited.pkt
unsupported tcp/slow_start/slow-start-fq-ack-per-2pkt.pkt:9
pass        tcp/splice/tcp_splice_loop_test.pkt
pass        tcp/syscall_bad_arg/fastopen-invalid-buf-ptr.pkt
pass        tcp/syscall_bad_arg/sendmsg-empty-iov.pkt
pass        tcp/syscall_bad_arg/syscall-invalid-buf-ptr.pkt
pass        tcp/tcp_info/tcp-info-last_data_recv.pkt
pass        tcp/tcp_info/tcp-info-rwnd-limited.pkt
pass        tcp/tcp_info/tcp-info-sndbuf-limited.pkt
pass        tcp/timestamping/client-only-last-byte.pkt
pass        tcp/timestamping/partial.pkt
pass        tcp/timestamping/server.pkt
pass        tcp/ts_recent/fin_tsval.pkt
diverges    tcp/ts_recent/invalid_ack.pkt:24  # the kernel has changed since: it answers the ACK of what was never sent
pass        tcp/ts_recent/reset_tsval.pkt
pass        tcp/user_timeout/user-timeout-probe.pkt
pass        tcp/user_timeout/user_timeout.pkt
pass        tcp/validate/validate-established-no-flags.pkt
pass        tcp/zerocopy/basic.pkt
pass        tcp/zerocopy/batch.pkt
pass        tcp/zerocopy/client.pkt
pass        tcp/zerocopy/closed.pkt
pass        tcp/zerocopy/epoll_edge.pkt
pass        tcp/zerocopy/epoll_exclusive.pkt
pass        tcp/zerocopy/epoll_oneshot.pkt
pass        tcp/zerocopy/fastopen-client.pkt
pass        tcp/zerocopy/fastopen-server.pkt
pass        tcp/zerocopy/maxfrags.pkt
pass        tcp/zerocopy/small.pkt
