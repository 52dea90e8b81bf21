# Written by skep, and again at each run: what differs between stages is in stage.json beside it.
require "json"

stage = JSON.parse(File.read(File.join(__dir__, "stage.json")))

Vagrant.configure("2") do |config|
  config.vm.box = stage["box"]
  config.vm.box_url = stage["box_url"] if stage["box_url"]
  # A new version of the box would be another host: that is decided by site.toml.
  config.vm.box_check_update = false
  config.vm.boot_timeout = stage["boot_timeout"]
  # It would be rsync or NFS, and nothing is shared with the hosts.
  config.vm.synced_folder ".", "/vagrant", disabled: true

  stage["hosts"].each do |short, host|
    config.vm.define short do |machine|
      address = { ip: host["address"], netmask: host["netmask"] }
      if stage["dev"]
        machine.vm.network "public_network", **address, dev: stage["dev"], type: "bridge"
      elsif stage["bridge"]
        # VirtualBox knows an interface to bridge to by `bridge`, libvirt by `dev`.
        machine.vm.network "public_network", **address, bridge: stage["bridge"], dev: stage["bridge"]
      else
        machine.vm.network "private_network", **address,
          libvirt__network_name: stage["network"], libvirt__dhcp_enabled: false, libvirt__forward_mode: "none"
      end

      machine.vm.provision "skep", type: "shell", path: File.join(__dir__, "admit.sh"),
        env: { "AUTHORIZED_KEY" => stage["authorized_key"], "PROXY" => stage["proxy"] || "" }

      machine.vm.provider "libvirt" do |libvirt|
        libvirt.default_prefix = stage["prefix"]
        libvirt.description = host["labels"]
        libvirt.driver = stage["driver"]
        if stage["driver"] == "qemu"
          # Software emulation has no processor of the machine's own to pass through.
          libvirt.cpu_mode = "custom"
          libvirt.cpu_model = "qemu64"
        else
          libvirt.cpu_mode = "host-passthrough"
        end
        libvirt.autostart = true
        libvirt.memory = host["memory"] if host["memory"]
        libvirt.cpus = host["cpus"] if host["cpus"]
        libvirt.machine_virtual_size = host["disk"] if host["disk"]
        libvirt.storage :file, size: "#{host["mirrored_disk"]}G", device: "vdb" if host["mirrored_disk"]
      end

      machine.vm.provider "virtualbox" do |virtualbox|
        virtualbox.name = stage["prefix"] + short
        virtualbox.customize ["modifyvm", :id, "--description", host["labels"]]
        virtualbox.memory = host["memory"] if host["memory"]
        virtualbox.cpus = host["cpus"] if host["cpus"]
      end
      if stage["backend"] == "virtualbox"
        # Vagrant's own disks, which libvirt does not know.
        machine.vm.disk :disk, size: "#{host["disk"]}GB", primary: true if host["disk"]
        machine.vm.disk :disk, size: "#{host["mirrored_disk"]}GB", name: "mirrored" if host["mirrored_disk"]
      end
    end
  end
end
